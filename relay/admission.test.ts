import { describe, expect, test } from 'vitest'
import { parseEpoch, type SessionEpoch } from '../contract/source.ts'
import { admit } from './admission.ts'

const hub = { source: 'demo-01', role: 'hub', generation: 2 } as const

/** Asks for each epoch in turn. */
function asked(...epochs: readonly string[]) {
  const known = new Map<string, SessionEpoch>()
  const book = {
    highest: (name: string) => known.get(name),
    raise: (name: string, epoch: SessionEpoch) => void known.set(name, epoch),
  }
  return epochs.map((epoch) => admit({ identity: hub, epoch }, book))
}

describe('a hub is let in', () => {
  test.each([
    ['a later connection', '2.7.1', '2.7.2'],
    ['a later boot', '2.7.9', '2.8.1'],
  ])('in %s', (_, before, epoch) => {
    expect(asked(before, epoch)).toEqual([{ accept: true }, { accept: true }])
  })

  test.each([
    ['the same epoch again', '2.7.1', '2.7.1'],
    ['an earlier connection', '2.7.2', '2.7.1'],
    ['an earlier boot, as from a restored disk', '2.7.1', '2.6.9'],
  ])('not in %s, and is told how far to jump', (_, before, epoch) => {
    expect(asked(before, epoch)[1]).toMatchObject({ accept: false, floor: 7 })
  })

  test('in an epoch above the highest ever, not above the last', () => {
    expect(asked('2.9.1', '2.8.1', '2.9.1', '2.10.1').map(({ accept }) => accept)).toEqual([true, false, false, true])
  })

  test('only in the generation of its certificate', () => {
    const [answer] = asked('3.1.1')
    expect(answer).toMatchObject({ accept: false, reason: expect.stringContaining('the certificate of 2') })
    expect(answer).not.toHaveProperty('floor')
    expect(parseEpoch('3.1.1').generation).toBe(3)
  })
})
