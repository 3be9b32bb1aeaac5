/** A process that puts hubs into a registry as fast as it can, and says each that it was told is there. */
import { readFileSync } from 'node:fs'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { openPostgresRegistry } from './postgres-registry.ts'

const [url = '', ca_file = '', password = '', copy = '', prefix = '', count = ''] = process.argv.slice(2)
const registry = await openPostgresRegistry({
  ...{ fleet: 'demo', layout: { epoch: 1, buckets: 4 }, clock: machineClock, random: machineRandom },
  address: { url, password, ca: readFileSync(ca_file, 'utf8') },
  copy,
  note: () => undefined,
})
const place = { home: 'home', region: 'eu', model: 'h1', zone: 'UTC' }
for (let i = 0; i < Number(count); i++) {
  const hub = `${prefix}-${i}`
  await registry.putHub({ hub, ...place, generation: 1, enrolled_ms: 1, maintenance: [] }, 1)
  process.stdout.write(`${hub}\n`)
}
await registry.close()
