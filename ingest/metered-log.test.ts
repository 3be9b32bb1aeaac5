import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { eventLogConformance, logRecord } from './event-log.conformance.ts'
import { type LogCall, meteredLog } from './metered-log.ts'
import { openSqliteLog } from './sqlite-log.ts'

const scratch = await mkdtemp(join(tmpdir(), 'hearth-metered-log-'))
afterAll(() => rm(scratch, { recursive: true }))
const open = async (path: string, calls: LogCall[] = []) =>
  meteredLog(
    await openSqliteLog(path, { buckets: 4, clock: machineClock, random: machineRandom }),
    machineClock,
    (call) => calls.push(call),
  )

eventLogConformance('a metered log', async () => {
  const path = join(await mkdtemp(join(scratch, 'log-')), 'log.db')
  return { open: () => open(path), crash: async (log) => log.close(), dispose: async () => undefined }
})

test('tells of each append how long it took and whether it is durable, and of each read how much came', async () => {
  const calls: LogCall[] = []
  const log = await open(join(scratch, 'calls.db'), calls)
  await log.append(0, logRecord('abc'))
  await log.read(0, 1, 1_000)
  await log.close()
  await log.append(0, logRecord('too late')).catch(() => undefined)
  expect(calls).toMatchObject([
    { kind: 'append', durable: true, ms: expect.any(Number) },
    { kind: 'read', records: 1, bytes: 3 },
    { kind: 'append', durable: false },
  ])
})
