/** The end of a run with commands: all is told, all processes end, and the proof is taken. */
import { expect } from 'vitest'
import { z } from 'zod'
import { figureOf, type Running, type System, until } from './system.ts'

const HEAL_MS = 120_000

const verification = z.object({
  totals: z.object({ in_log: z.number(), pending: z.number() }),
  streams: z.array(z.object({ source: z.string(), pending: z.number() })),
})
const proof = z.object({
  ...{ ok: z.boolean(), commands: z.number(), answers: z.number(), untold: z.number(), running: z.number() },
  ...{ offline_elsewhere: z.number(), outcomes: z.record(z.string(), z.number()) },
  journals: z.object({ read: z.number(), in_use: z.array(z.string()) }),
  faults: z.array(z.object({ command: z.string(), fault: z.string() })),
})

/** Ends `hubs`, then the relays, then `ingest`; expects that each command has one end and all agree on it. `about` is told when not. */
export async function expectOneEnd(
  system: System,
  run: {
    readonly answers: string
    readonly hubs: number
    readonly relays: readonly string[]
    /** Puts it into `running`. */
    readonly start: (name: string) => Promise<void>
    readonly running: ReadonlyMap<string, Running>
    readonly about: () => object
  },
): Promise<void> {
  const { answers, start, running } = run
  const end = async (name: string) => {
    running.get(name)?.signal('SIGTERM')
    await running.get(name)?.ended
  }
  // Who waits for a gateway that was away would have no time to tell all at its end.
  await until('the hubs have told all', HEAL_MS, async () => {
    return (await figureOf(system, 'hubs', 'hearth_hub_outbox_events')) === 0
  })
  await end('hubs')
  let verified = ''
  await until(
    () => `the table has all that was sent: ${verified}`,
    HEAL_MS,
    async () => {
      verified = (await system.run(['verify', '--json'])).stdout
      const { totals, streams } = verification.parse(JSON.parse(verified))
      // A hub that had no time at its end to tell all tells it at the next one; the relays are there still.
      if (streams.some(({ source, pending }) => source.startsWith('hub-') && pending > 0)) {
        await start('hubs')
        await end('hubs')
      }
      return totals.in_log === 0 && totals.pending === 0
    },
  )
  for (const name of [...run.relays, 'ingest']) await end(name)
  const { stdout, code } = await system.run(['verify', '--commands', '--answers', answers, '--at-rest', '--json'])
  const found = proof.parse(JSON.parse(stdout))
  expect(found.faults, JSON.stringify({ ...run.about(), found })).toEqual([])
  expect(found).toMatchObject({ ok: true, untold: 0, running: 0, journals: { read: run.hubs, in_use: [] } })
  expect(code).toBe(0)
  expect(found.answers).toBeGreaterThan(50)
  expect(found.outcomes['done']).toBeGreaterThan(10)
}
