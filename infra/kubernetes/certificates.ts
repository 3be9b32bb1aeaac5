import 'reflect-metadata' // @peculiar/x509's dependency injection needs it loaded first
import type { webcrypto } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
}
const VALID = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-12-31') }

/** Whom a certificate is for; `hosts` are the names and addresses of a server. */
type Subject = { readonly name: string; readonly hosts?: readonly string[] }

/**
 * Writes `NAME.crt` and `NAME.key` for each of `subjects`, `ca.crt` and `ca.key` that signed them, and `sa.key` and
 * `sa.pub` for the tokens of service accounts.
 */
export async function makeClusterCertificates(folder: string, subjects: Readonly<Record<string, Subject>>) {
  await mkdir(folder)
  const put = (file: string, text: string) => writeFile(join(folder, file), `${text}\n`, { mode: 0o600 })
  const pem = async (key: webcrypto.CryptoKey) =>
    key.type === 'public'
      ? x509.PemConverter.encode(await crypto.subtle.exportKey('spki', key), 'PUBLIC KEY')
      : x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')

  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=kubernetes-test-ca', keys, ...VALID, signingAlgorithm: ECDSA },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  })
  await put('ca.crt', authority.toString('pem'))
  await put('ca.key', await pem(keys.privateKey))

  for (const [file, { name, hosts }] of Object.entries(subjects)) {
    const own = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify'])
    const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
    const names = (hosts ?? []).map((value) => ({ type: /^[\d.]+$/.test(value) ? 'ip' : 'dns', value }) as const)
    const certificate = await x509.X509CertificateGenerator.create({
      ...{ subject: name, issuer: authority.subject, ...VALID, signingAlgorithm: ECDSA },
      ...{ publicKey: own.publicKey, signingKey: keys.privateKey },
      extensions: [
        new x509.ExtendedKeyUsageExtension([hosts ? serverAuth : clientAuth]),
        ...(hosts ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    })
    await put(`${file}.crt`, certificate.toString('pem'))
    await put(`${file}.key`, await pem(own.privateKey))
  }

  const accounts = await crypto.subtle.generateKey(RSA, true, ['sign', 'verify'])
  await put('sa.key', await pem(accounts.privateKey))
  await put('sa.pub', await pem(accounts.publicKey))
}
