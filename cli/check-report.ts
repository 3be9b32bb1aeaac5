import { type Check, type Finding, runChecks } from '../link/check/check.ts'
import type { CliContext } from './context.ts'

/** Runs checks and prints each as it ends; exit code 1 when one failed. Raises the signal's reason when it aborts. */
export async function report<Bench>(
  context: CliContext,
  json: boolean,
  checks: readonly Check<Bench>[],
  bench: Bench,
): Promise<void> {
  const { print, signal } = context
  const findings = await runChecks(checks, bench, (finding) => {
    if (!signal.aborted) print(json ? JSON.stringify(finding) : lineOf(finding))
  })
  signal.throwIfAborted()
  const failed = findings.filter(({ ok }) => !ok).length
  const skipped = findings.filter((finding) => finding.skipped).length
  const counts = [`${findings.length - failed - skipped} passed`]
  if (failed > 0) counts.push(`${failed} failed`)
  if (skipped > 0) counts.push(`${skipped} skipped`)
  if (!json) print(counts.join(', '))
  if (failed > 0) process.exitCode = 1
}

/** What must be, and what was found instead. */
function lineOf({ check, expected, seen, ok, skipped }: Finding): string {
  if (skipped) return `skip  ${check}: ${seen}`
  return ok ? `pass  ${check}: ${expected}` : `FAIL  ${check}: ${expected}\n      found: ${seen}`
}
