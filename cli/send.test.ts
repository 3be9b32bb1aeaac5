import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { listening, portNumber } from '../link/mqtt-endpoint.ts'
import { ManualClock } from '../sim/clock.ts'
import { newProgram } from './commands.ts'
import { configSchema } from './config.ts'
import type { CliContext } from './context.ts'
import { machineRandom } from './machine.ts'
import { register } from './send.ts'

const home = mkdtempSync(join(tmpdir(), 'hearth-send-'))
let clock: ManualClock
let stop: AbortController
let printed: string[]
let noted: string[]
/** How the relay answers one command after another; after these each is done. */
let answers: ((response: ServerResponse) => void)[]
let asked: number

const done = (response: ServerResponse) =>
  void response
    .setHeader('content-type', 'application/json')
    .end(JSON.stringify({ command: 'c', hub: 'h', device: 'lamp', set: {}, outcome: 'done', stages: [] }))

/** As the relay refuses what is over a hub's rate. */
const refused = (after?: string) => (response: ServerResponse) => {
  response.statusCode = 429
  response.setHeader('content-type', 'application/problem+json')
  if (after !== undefined) response.setHeader('retry-after', after)
  response.end(JSON.stringify({ kind: 'limit', outcome: 'did-not-happen', message: 'too many commands for the hub' }))
}

const server = createServer((request, response) => {
  if (request.url === '/healthz') response.end()
  else {
    asked++
    request.resume()
    ;(answers.shift() ?? done)(response)
  }
})
beforeAll(() => listening(server, { host: '127.0.0.1', port: 0, fault: () => undefined }))
beforeEach(() => {
  clock = new ManualClock()
  stop = new AbortController()
  ;[printed, noted, answers, asked] = [[], [], [], 0]
  process.exitCode = undefined
})
afterEach(() => {
  process.exitCode = undefined
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(home, { recursive: true })
})

/** Runs `hearth send h lamp powered=1`; rejects as it does. */
async function send(...more: readonly string[]): Promise<void> {
  const context: CliContext = {
    ...{ home, config: configSchema.parse({}), clock, random: machineRandom, signal: stop.signal },
    print: (line) => printed.push(line),
    note: (line) => noted.push(line),
  }
  const token = join(home, 'token')
  writeFileSync(token, 'hearth_x')
  const program = newProgram()
  register(program, context)
  const to = ['--relay', `http://127.0.0.1:${portNumber(server)}`, '--token-file', token]
  await program.parseAsync(['send', 'h', 'lamp', 'powered=1', ...to, ...more], { from: 'user' })
}

/** Until it waits for the relay, so many times in all. */
const waits = (times: number) => expect.poll(() => [asked, clock.nextTimer_ms() !== undefined]).toEqual([times, true])

test('a command that is refused for now is sent again when the relay says, and the waits are counted', async () => {
  answers = [done, refused('2'), refused(), done]
  const sending = send('--repeat', '3', '--json')
  await expect
    .poll(() => noted)
    .toEqual(['the relay refused: too many commands for the hub; it is sent again when the relay says'])
  await clock.advance(1_999)
  expect(asked).toBe(2)
  await clock.advance(1)
  await waits(3)
  await clock.advance(1_000)
  await sending
  expect(JSON.parse(printed.join('\n'))).toMatchObject({
    answers: Array(3).fill(expect.objectContaining({ outcome: 'done' })),
    summary: { asked: 3, sent: 3, outcomes: { done: 3 }, waits: 2, waited_ms: 3_000 },
  })
  expect([asked, noted.length, process.exitCode]).toEqual([5, 1, undefined])
})

test('a run that is interrupted in a wait ends at once, with the summary of what was done', async () => {
  answers = [done, done, refused('3600')]
  const sending = send('--repeat', '5')
  const ended = expect(sending).rejects.toThrow('SIGINT')
  await expect.poll(() => noted.length).toBe(1)
  await clock.advance(1_500)
  stop.abort(new Error('SIGINT'))
  await ended
  expect(printed[0]).toBe('done 2; ended after 2 of 5; 1 refused for now, 1.5 s waited')
})

test('a run whose relay goes away tells what was done, and then what happened', async () => {
  answers = [done, (response) => response.destroy()]
  await expect(send('--repeat', '5')).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'unknown', message: expect.stringContaining('may have been carried out') },
  })
  expect(printed[0]).toBe('done 1; ended after 1 of 5')
})

test('a command that is interrupted on its way may have been carried out', async () => {
  answers = [() => stop.abort(new Error('SIGINT'))]
  await expect(send()).rejects.toMatchObject({
    ...{ outcome: 'unknown', message: 'stopped before the answer came; the command may have been carried out' },
  })
  expect(printed).toEqual([])
})

test('one command by itself is refused at once, and so is a run whose first is refused for good', async () => {
  answers = [refused('2')]
  await expect(send()).rejects.toMatchObject({ kind: 'limit' })
  answers = [(response) => void response.writeHead(401).end()]
  await expect(send('--repeat', '5')).rejects.toMatchObject({ kind: 'unauthorized' })
  expect([printed, asked]).toEqual([[], 2])
})
