import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { createAuthority } from '../registry/authority.ts'
import type { ClientTls } from './mqtt-connection.ts'
import type { ServerTls } from './mqtt-endpoint.ts'

/** A fleet's CA and certificates, for tests; `close` deletes its folder. */
export async function testFleet(fleet = 'test') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hearth-fleet-'))
  const authority = await createAuthority(folder, {
    fleet,
    clock: machineClock,
    random: machineRandom,
    record: () => Promise.resolve(),
  })
  const ca = fs.readFileSync(path.join(folder, 'ca.pem'), 'utf8')
  return {
    ca,
    async server(): Promise<ServerTls> {
      const issued = await authority.issueServer('localhost')
      return { key: issued.key_pem, cert: issued.certificate_pem, ca }
    },
    async hub(name: string, generation = 1): Promise<ClientTls> {
      const issued = await authority.issueHub(name, generation)
      return { key: issued.key_pem, cert: issued.certificate_pem, ca }
    },
    /** A certificate for the key of a request, PEM. */
    async sign(hub: string, csr_pem: string): Promise<string> {
      return (await authority.signRequest({ source: hub, role: 'hub', generation: 1 }, csr_pem)).certificate_pem
    },
    async service(name: string): Promise<ClientTls> {
      const issued = await authority.issueService(name)
      return { key: issued.key_pem, cert: issued.certificate_pem, ca }
    },
    close: () => fs.rmSync(folder, { recursive: true, force: true }),
  }
}
