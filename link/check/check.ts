import { messageOf } from '../../contract/problem.ts'

/** One thing that is checked: what must be, and what was seen. Both are sentences for people. */
export type Finding = {
  /** Stable, for scripts: `tls.resumption`. */
  readonly check: string
  readonly expected: string
  readonly seen: string
  readonly ok: boolean
  /** It does not apply to this one, and was not looked at. */
  readonly skipped?: true
}

/** `skipped` says why it does not apply. */
export type Seen = true | string | { readonly skipped: string }

export type Check<Bench> = {
  readonly check: string
  readonly expected: string
  /** What was seen: `true` stands for just what was expected, a text for anything else. */
  readonly run: (bench: Bench) => Promise<Seen>
}

/** Runs checks one after another and tells of each as it ends; a check that raises has failed with what it raised. */
export async function runChecks<Bench>(
  checks: readonly Check<Bench>[],
  bench: Bench,
  tell: (finding: Finding) => void,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const { check, expected, run } of checks) {
    const seen = await run(bench).catch((error: unknown) => `an error: ${messageOf(error)}`)
    const finding: Finding =
      typeof seen === 'object'
        ? { check, expected, seen: seen.skipped, ok: true, skipped: true }
        : { check, expected, seen: seen === true ? 'so it is' : seen, ok: seen === true }
    findings.push(finding)
    tell(finding)
  }
  return findings
}

/** `0x87`, or that there was none. */
export function hex(code: number | undefined | null): string {
  return typeof code === 'number' ? `0x${code.toString(16).toUpperCase().padStart(2, '0')}` : 'no code'
}
