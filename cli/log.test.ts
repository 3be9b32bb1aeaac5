import { describe, expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import { LOG_BURST_MAX, LOG_BURST_MS } from './limits.ts'
import { openLog } from './log.ts'
import type { LogLevel } from './log-level.ts'

function open(level: LogLevel = 'info', pretty?: { readonly colours: boolean }) {
  const texts: string[] = []
  const clock = new ManualClock()
  const log = openLog({ process: 'ingest', level, clock, write: (text) => texts.push(text), ...(pretty && { pretty }) })
  return { log, clock, texts, lines: () => texts.map((text): Record<string, unknown> => JSON.parse(text)) }
}

describe('the log', () => {
  test('is one JSON line a fact, with level, time, process, event and sentence', () => {
    const { log, texts, lines } = open()
    log.info('committed', 'version 3 has 2 batches', { version: 3 })
    expect(texts[0]).toMatch(/^\{.*\}\n$/)
    expect(lines()).toEqual([
      expect.objectContaining({
        ...{ level: 'info', time: '2026-11-24T12:00:00.000Z', process: 'ingest', event: 'committed' },
        ...{ msg: 'version 3 has 2 batches', version: 3 },
      }),
    ])
  })

  test('leaves out what is below its level', () => {
    const { log, lines } = open('warn')
    log.debug('a', 'a')
    log.info('b', 'b')
    log.warn('c', 'c')
    log.error('d', 'd')
    expect(lines().map(({ event }) => event)).toEqual(['c', 'd'])
  })

  test("tells the world's fault as a warning, and a bug as an error with its stack", () => {
    const { log, lines } = open()
    log.failed('append', new Problem('unavailable', 'the disk is full', { outcome: 'unknown' }))
    log.failed('append', new TypeError('x is not a function'))
    expect(lines()).toEqual([
      expect.objectContaining({ level: 'warn', msg: 'the disk is full', kind: 'unavailable', outcome: 'unknown' }),
      expect.objectContaining({
        ...{ level: 'error', msg: 'x is not a function', stack: expect.stringContaining('log.test.ts') },
      }),
    ])
  })

  test('never has a secret, neither by its name nor by its look, however deep', () => {
    const { log, texts } = open('debug')
    const token = `hearth_${'a'.repeat(43)}`
    const pem = '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----'
    log.info('asked', `GET /?token=x with Bearer abc and ${token}`, {
      ...{ code: 'ABCD-EFGH', key_pem: pem, access_token: token, headers: [{ authorization: 'Basic c2VjcmV0' }] },
      ...{ url: `http://127.0.0.1/?token=${token}`, files: [pem], hub: 'kitchen-1', queue: 'redis://user:w0rd/@host' },
    })
    const said = texts.join('')
    for (const secret of [token, 'MIGH', 'ABCD', 'c2VjcmV0', 'Bearer abc', 'token=x', 'w0rd'])
      expect(said).not.toContain(secret)
    expect(said).toContain('kitchen-1')
  })

  test('counts what one event says too often, and tells how much it left out', async () => {
    const { log, clock, lines } = open()
    for (let i = 0; i < LOG_BURST_MAX + 7; i++) log.warn('refused', `${i}`)
    log.info('other', 'still told')
    await clock.advance(LOG_BURST_MS)
    log.warn('refused', 'again')
    expect(lines().filter(({ event }) => event === 'refused')).toHaveLength(LOG_BURST_MAX + 1)
    expect(lines().filter(({ event }) => event === 'other')).toHaveLength(1)
    expect(lines().at(-1)).toMatchObject({ msg: 'again', left_out: 7 })
  })

  test('is a plain sentence for people', () => {
    const { log, texts } = open('info', { colours: false })
    log.warn('retry', 'the writer tries again', { delay_ms: 200 })
    expect(texts.join('')).toMatch(/WARN: ingest: the writer tries again \{"delay_ms":200\}\n$/)
  })
})
