/** What a test of a bad day asks of a system again and again: is it ready, does it hold what was acknowledged? */
import { z } from 'zod'
import { opsOf, type System, until } from './system.ts'

const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) })
const verification = z.object({
  ok: z.boolean(),
  totals: z.object({
    ...{ stored: z.number(), lost: z.number(), broken: z.number(), duplicates: z.number(), in_log: z.number() },
  }),
  acknowledged: z.object({ journal: z.number(), found: z.number() }),
})

export type Verified = z.infer<typeof verification>

/** Why a process says that it should get no traffic; empty when it should, undefined while it does not answer. */
export async function reasonsOf(system: System, name: string): Promise<readonly string[] | undefined> {
  try {
    const answer = await fetch(`${opsOf(system, name)}/readyz`)
    return readiness.parse(await answer.json()).reasons
  } catch {
    return undefined
  }
}

/** Resolves when a process gives a reason like this one. */
export async function untilUnready(system: System, name: string, reason: RegExp, limit_ms: number): Promise<void> {
  await until(`${name} is not ready: ${reason}`, limit_ms, async () => {
    const reasons = await reasonsOf(system, name)
    return reasons?.some((one) => reason.test(one)) ?? false
  })
}

export async function untilReady(system: System, name: string, limit_ms: number): Promise<void> {
  await until(`${name} is ready`, limit_ms, async () => (await reasonsOf(system, name))?.length === 0)
}

/** `hearth verify` against a journal of acknowledgements. */
export async function verified(system: System, journal: string): Promise<Verified & { readonly code: number }> {
  const { code, stdout, stderr } = await system.run(['verify', '--acks', journal, '--json'])
  if (!stdout.startsWith('{')) throw new Error(`hearth verify exited with ${code}: ${stderr}${stdout}`)
  return { code, ...verification.parse(JSON.parse(stdout)) }
}

/** Asks until everything that is durable in the log is in the table. */
export async function untilWritten(
  system: System,
  journal: string,
  limit_ms: number,
): Promise<Verified & { code: number }> {
  let found: (Verified & { code: number }) | undefined
  await until('the table has all of the log', limit_ms, async () => {
    found = await verified(system, journal)
    return found.totals.in_log === 0
  })
  if (!found) throw new Error('unreachable')
  return found
}

/** NODE_OPTIONS of a process whose clock is ahead by so much. */
export const clockAhead = (ms: number) =>
  `--import=data:text/javascript,${encodeURIComponent(
    `const Right = Date
    globalThis.Date = class extends Right {
      constructor(...given) { if (given.length > 0) super(...given); else super(Right.now() + ${ms}) }
      static now() { return Right.now() + ${ms} }
    }`,
  )}`
