/** A hub to be killed: carries out commands c0 … c<last> one after the other, and tells on stdout what it promised. */
import { appendFileSync, writeSync } from 'node:fs'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { commandHash } from '../contract/command.ts'
import { openOutbox } from '../link/outbox.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { openExecutor } from './executor.ts'

const [disk_path = '', actuations = '', last = '0'] = process.argv.slice(2)
const clock = machineClock
const disk = openSqliteDisk(disk_path)
const outbox = await openOutbox({
  ...{ disk, clock, random: machineRandom, source: 'hub', generation: 1, firmware: '1', agent: '1' },
  streams: [{ name: 'control' }, { name: 'readings' }],
})
const tell = (what: unknown) => writeSync(1, `${JSON.stringify(what)}\n`)
const ended = new Set<string>()
const executor = openExecutor({
  ...{ disk, clock, origin_ms: clock.monotonic() },
  devices: {
    list: () => [],
    // The device acts at once and for good; its confirmation takes a moment.
    actuate: (_device, set) => {
      appendFileSync(actuations, `c${String(set.brightness)}\n`)
      return new Promise((resolve) => clock.timer(1, resolve))
    },
    subscribe: () => () => undefined,
    close: async () => undefined,
  },
  tell({ command, stage }) {
    if (stage !== 'received') ended.add(command)
    tell({ command, stage })
  },
  record(event) {
    tell({ boot: outbox.boot(), seq: outbox.append('control', event) })
  },
  fault: (error) => tell({ fault: String(error) }),
})
executor.begin({ generation: 1, counter: 1, connect: 1 })
for (let i = 0; i <= Number(last); i++) {
  const what = { device: 'lamp', set: { brightness: i } }
  const stamp = clock.monotonic()
  const about = { command: `c${i}`, hash: commandHash(what), issued: 1, stamp, left_ms: 60_000, epoch: '1.1.1' }
  executor.receive({ hearth: 1, type: 'command', ...what, ...about })
  while (!ended.has(`c${i}`)) await new Promise<void>((resolve) => clock.timer(0, resolve))
}
await executor.close()
disk.close()
tell({ end: true })
