import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deadLetters, replay } from './dead-letters.ts'
import { batchOf, reading } from './testing/batch.ts'
import { openSystem } from './testing/system.ts'

test('a replay of a corrected dead event is stored once, with the time of its first receipt, and leaves the list', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-dead-'))
  const system = await openSystem(folder)
  try {
    const hub = { source: 'demo-01', role: 'hub', generation: 1 } as const
    await system.gateway.receive(hub, batchOf([reading(1, 10), '{"m":2,"kind":"reading","value":"on"}']), 'mqtt')
    await system.writer.commitOnce()
    const { lake, local } = system
    const find = () => deadLetters({ lake, local, scratch_folder: folder }, { source: 'demo-01', limit: 10 })
    const [letter] = await find()
    if (!letter) throw new Error('no dead letter')
    expect(letter).toMatchObject({ seq: 1, source: 'demo-01', line: '{"m":2,"kind":"reading","value":"on"}' })

    await replay(system.log, letter)
    await replay(system.log, letter, '{"m":2,"kind":"reading","value":true}')
    await replay(system.log, letter, '{"m":2,"kind":"reading","value":false}')
    await replay(system.log, { ...letter, seq: 0 }, '{"m":2,"kind":"reading","value":5}')
    while (await system.writer.commitOnce()) continue

    expect(
      await system.rows(
        `SELECT seq, value, time_source, epoch_ms(received_time) AS received FROM events WHERE kind = 'reading' ORDER BY seq`,
      ),
    ).toMatchObject([
      { seq: '0', value: 10 },
      { seq: '1', value: 1, time_source: 'monotonic', received: String(letter.received_ms) },
    ])
    expect(await find()).toEqual([])
    expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 2, stored: 2, dead: 0 } })
  } finally {
    await system.close()
    await rm(folder, { recursive: true })
  }
})
