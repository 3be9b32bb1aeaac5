import { describe, expect, test } from 'vitest'
import { type JournalledCommand, proveCommands, SETTLE_MS, type ToldCommand } from './command-proof.ts'

const command = 'c1'
const told = (relay: readonly string[], at_hub: readonly string[] = []): ToldCommand => ({
  ...{ command, hub: 'demo-01', issued_ms: 1_000, deadline_ms: 5_000, relay, at_hub },
})
/** At several relays. */
const at = (by_relay: readonly (readonly string[])[], at_hub: readonly string[] = []): ToldCommand => ({
  ...told(by_relay.flat(), at_hub),
  by_relay,
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
  return proveCommands({ told: [one], journals, answers, now_ms: LONG_AFTER, at_rest: true })
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
    // A power cut took the relay's last record: the app has its answer, the hub its own story.
    ['late', told([], ['executed']), journal('executed'), 'done'],
    // An app repeated it at a relay that did not have the hub, while the one that had sent it was gone.
    ['done', at([['offline'], ['done']], ['executed']), journal('executed'), 'offline'],
    ['late', at([['expired'], ['offline', 'late']], ['executed']), journal('executed'), 'offline'],
    ['done', at([['expired'], ['done']], ['executed']), journal('executed'), 'expired'],
    ['offline', at([['offline'], ['offline']]), empty, 'offline'],
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
    [/answered offline, and it ended done/, told(['done'], ['executed']), undefined, 'offline'],
    [
      /recorded it interrupted, and then executed/,
      told(['expired'], ['interrupted', 'executed']),
      undefined,
      undefined,
    ],
    [/recorded done twice/, at([['done', 'done'], ['offline']], ['executed']), undefined, undefined],
    [
      /ended offline, and the hub recorded executed/,
      at([['offline'], ['offline', 'late']], ['executed']),
      undefined,
      undefined,
    ],
    [/answered offline, and it ended done/, at([['done'], ['late']], ['executed']), undefined, 'offline'],
    [/ended offline, and the hub recorded executed/, told(['offline'], ['executed']), undefined, undefined],
    [/ended done, and the hub recorded nothing/, told(['done']), undefined, undefined],
  ] as const)('%s', (fault, one, journals, answered) => {
    const found = proof(one, journals, answered)
    expect(found.ok).toBe(false)
    expect(found.faults.map((each) => each.fault).join('; ')).toMatch(fault)
  })

  test('nothing of a command whose time is not over, and counts what only a journal has', () => {
    const found = proveCommands({
      told: [told([])],
      journals: new Map([['demo-01', [{ command: 'c2', ended: 'executed' }]]]),
      ...{ answers: [], now_ms: LONG_AFTER - 1, at_rest: false },
    })
    expect(found).toMatchObject({ ok: true, running: 1, untold: 1, faults: [] })
  })

  test('at rest, what only a journal or an app knows, and an id that two hubs were told', () => {
    const other = { ...told(['done'], ['executed']), hub: 'demo-02' }
    const found = proveCommands({
      told: [told(['done'], ['executed']), other],
      journals: new Map([
        [
          'demo-01',
          [
            { command, ended: 'executed' },
            { command: 'c2', ended: 'executed' },
          ],
        ],
      ]),
      ...{ answers: [{ command: 'c3', outcome: 'done' }], now_ms: LONG_AFTER, at_rest: true },
    })
    expect(found.faults).toEqual([
      { command, hub: 'demo-02', fault: 'hub demo-01 was told the same id' },
      { command: 'c2', hub: 'demo-01', fault: 'a journal has it, and no table' },
      { command: 'c3', fault: 'an app was answered done, and no table has it' },
    ])
  })
})
