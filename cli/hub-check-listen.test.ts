import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { testFleet } from '../link/fleet.fixture.ts'
import { ManualClock } from '../sim/clock.ts'
import { configSchema } from './config.ts'
import { checkHub } from './hub-check-listen.ts'
import { machineRandom } from './machine.ts'

const home = mkdtempSync(join(tmpdir(), 'hearth-listen-'))
afterEach(() => {
  process.exitCode = undefined
  rmSync(home, { recursive: true, force: true })
})

test('who waits for a hub is told so, who was turned away and why, and that the rest was skipped', async () => {
  const clock = new ManualClock(Date.now())
  const said: string[] = []
  const note = (line: string) => void said.push(line)
  const checking = checkHub(
    {
      ...{ home, config: configSchema.parse({}), clock, random: machineRandom, print: note, note },
      signal: new AbortController().signal,
    },
    'localhost',
    { device: 'lamp', relayPort: 0, gatewayPort: 0 },
  )
  await expect.poll(() => said, { timeout: 10_000 }).toContain('waiting up to 60 s for check-hub')
  const other = await testFleet('check')
  const foreign = await other.hub('check-hub')
  const port = Number(/relay mqtts:\/\/localhost:(\d+)/.exec(said.join('\n'))?.[1])
  const turnedAway = () => said.filter((line) => line.startsWith('turned away by the relay'))
  for (let attempt = 0; attempt < 2; attempt++) {
    const socket = tls.connect({ host: 'localhost', port, ...foreign, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('close', resolve))
  }
  await expect.poll(turnedAway).toEqual([expect.stringMatching(/: its certificate is not of this server's CA/)])
  other.close()
  await clock.advance(60_000)
  await checking
  expect(turnedAway()).toHaveLength(1)
  expect(said.filter((line) => line.startsWith('FAIL'))).toEqual([
    expect.stringMatching(/^FAIL {2}session\.connect: [^]*turned away by the relay: its certificate is not/),
  ])
  expect(said.filter((line) => line.startsWith('pass'))).toEqual([])
  expect(said.at(-1)).toMatch(/^0 passed, 1 failed, \d\d skipped$/)
  expect(process.exitCode).toBe(1)
})
