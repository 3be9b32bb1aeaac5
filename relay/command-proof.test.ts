import { describe, expect, test } from 'vitest'
import { type JournalledCommand, proveCommands, SETTLE_MS, type ToldCommand } from './command-proof.ts'

const command = 'c1'
const told = (relay: readonly string[], at_hub: readonly string[] = []): ToldCommand => ({
  ...{ command, hub: 'demo-01', issued_ms: 1_000, deadline_ms: 5_000, relay, at_hub },
})
const journal = (ended?: string) => new Map([['demo-01', [{ command, ended } satisfies JournalledCommand]]])
const empty = new Map([['demo-01', []]])
const LONG_AFTER = 1_000 + 5_000 + SETTLE_MS + 1

function proof(
  one: ToldCommand,
  journals: ReadonlyMap<string, readonly JournalledCommand[]> = new Map(),
  answered?: string,
) {
  const answers = answered === undefined ? [] : [{ command, outcome: answered }]
  return proveCommands({ told: [one], journals, answers, now_ms: LONG_AFTER })
}

describe('agrees', () => {
  test.each([
    ['done', told(['done'], ['executed']), journal('executed'), 'done'],
    ['rejected', told(['rejected'], ['rejected']), empty, 'rejected'],
    ['offline', told(['offline']), empty, 'offline'],
    ['expired', told(['expired'], ['expired']), journal('expired'), 'expired'],
    ['late', told(['expired', 'late'], ['executed']), journal('executed'), 'expired'],
    // The relay died before the result came: the hub's own word is enough.
    ['late', told(['expired'], ['executed']), journal('executed'), 'expired'],
    ['interrupted', told(['expired', 'interrupted'], ['interrupted']), journal('interrupted'), 'expired'],
    // A crash of the hub between its record and its journal tells both; it happened once.
    ['late', told(['expired'], ['executed', 'interrupted']), journal('interrupted'), 'expired'],
    ['rejected', told(['expired', 'rejected'], ['rejected']), empty, 'expired'],
  ] as const)('%s', (final, one, journals, answered) => {
    expect(proof(one, journals, answered)).toMatchObject({ ok: true, outcomes: { [final]: 1 }, faults: [] })
  })
})

describe('tells', () => {
  test.each([
    [/recorded it executed 2 times/, told(['done'], ['executed', 'executed']), journal('executed'), undefined],
    [/recorded done twice/, told(['done', 'done'], ['executed']), undefined, undefined],
    [/nobody recorded an end/, told([]), undefined, undefined],
    [/executed and rejected/, told(['done'], ['executed', 'rejected']), undefined, undefined],
    [/ended done, and the hub's journal says nothing/, told(['done']), empty, undefined],
    [/ended late, and the hub's journal says running/, told(['late']), journal(), undefined],
    [/journal says executed, and it ended rejected/, told(['rejected']), journal('executed'), undefined],
    [/ended offline, and the hub's journal says expired/, told(['offline']), journal('expired'), undefined],
    [/answered rejected, and it ended late/, told(['expired'], ['executed']), undefined, 'rejected'],
    [/answered done, and it ended expired/, told(['expired']), undefined, 'done'],
    [/answered offline, and it ended done/, told(['done']), undefined, 'offline'],
  ] as const)('%s', (fault, one, journals, answered) => {
    const found = proof(one, journals, answered)
    expect(found.ok).toBe(false)
    expect(found.faults.map((each) => each.fault).join('; ')).toMatch(fault)
  })

  test('nothing of a command whose time is not over, and counts what only a journal has', () => {
    const found = proveCommands({
      told: [told([])],
      journals: new Map([['demo-01', [{ command: 'c2', ended: 'executed' }]]]),
      ...{ answers: [], now_ms: LONG_AFTER - 1 },
    })
    expect(found).toMatchObject({ ok: true, running: 1, untold: 1, faults: [] })
  })
})
