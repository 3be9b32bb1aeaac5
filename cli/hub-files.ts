/** The three PEM files of a hub's identity, as a pair of key and certificate that always fit. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import { makeFolder } from '../link/folder.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { draftOf, settleFiles, writeFiles } from './state-file.ts'

/** The certificate goes last, and its draft is on disk before the key changes: `keptFiles` finishes what was cut off. */
export function keepFiles(folder: string, tls: ClientTls): void {
  makeFolder(folder)
  writeFiles([
    [join(folder, 'key.pem'), tls.key],
    [join(folder, 'ca.pem'), tls.ca],
    [join(folder, 'cert.pem'), tls.cert],
  ])
}

/** What is in the folder, or undefined when the hub was not enrolled yet. Raises `corrupt` for a key without its certificate. */
export function keptFiles(folder: string): ClientTls | undefined {
  const certPath = join(folder, 'cert.pem')
  const draftPath = draftOf(certPath)
  const found = [certPath, draftPath].filter((path) => existsSync(path))
  if (found.length === 0 || !existsSync(join(folder, 'key.pem'))) return undefined
  const key = readFileSync(join(folder, 'key.pem'), 'utf8')
  const path = found.find((one) => fits(key, readFileSync(one, 'utf8')))
  if (path === undefined) {
    // The first of all was cut off: no certificate has its name yet, and none that is there is this key's.
    if (!found.includes(certPath)) return undefined
    throw new Problem(
      'corrupt',
      `${certPath} is not the certificate of key.pem beside it: remove the folder and enrol the hub anew`,
    )
  }
  // A key that has its name had the drafts of the others beside it, whole.
  if (path === draftPath) settleFiles([join(folder, 'ca.pem'), certPath])
  return { key, cert: readFileSync(certPath, 'utf8'), ca: readFileSync(join(folder, 'ca.pem'), 'utf8') }
}

function fits(key: string, cert: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false // torn, or no certificate at all
  }
}
