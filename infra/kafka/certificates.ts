import 'reflect-metadata' // @peculiar/x509's dependency injection needs it loaded first
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const NOT_BEFORE = new Date('2020-01-01')
const NOT_AFTER = new Date('2049-12-31')

/** Paths of PEM files: a CA, and a certificate with key of the brokers and of a client. */
export type KafkaCertificates = {
  readonly ca: string
  /** Key and certificate in one file, as a broker takes it. */
  readonly broker: string
  readonly client_cert: string
  readonly client_key: string
}

/** Made anew in `folder`. The brokers' is for localhost and 127.0.0.1. */
export async function makeCertificates(folder: string): Promise<KafkaCertificates> {
  await mkdir(folder, { recursive: true })
  const caKeys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=kafka-test-ca',
    keys: caKeys,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: ECDSA,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  })
  const issue = async (name: string) => {
    const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: root.subject,
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: ECDSA,
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    })
    const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    return { certificate: `${certificate.toString('pem')}\n`, key: `${key}\n` }
  }
  const put = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const [broker, client] = [await issue('broker'), await issue('client')]
  return {
    ca: await put('ca.pem', `${root.toString('pem')}\n`),
    broker: await put('broker.pem', broker.key + broker.certificate),
    client_cert: await put('client.pem', client.certificate),
    client_key: await put('client-key.pem', client.key),
  }
}
