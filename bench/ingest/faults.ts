import type { WorkloadFacts } from '../benchmark.ts'

/** What was found otherwise than it was sent. */
export function faultsOf(
  where: string,
  facts: Omit<WorkloadFacts, 'checksums_found'>,
  ran: { readonly refused: number },
  there: { readonly checksum: string; readonly dead: number; readonly duplicates: number },
): string[] {
  const resent = facts.batches * facts.events_a_batch - facts.events
  const wrong = (what: string, expected: unknown, value: unknown) =>
    expected === value ? [] : [`${where}: ${what}: sent ${String(expected)}, found ${String(value)}`]
  return [
    ...wrong('checksum', facts.checksum_sent, there.checksum),
    ...wrong('dead events', facts.malformed, there.dead),
    ...wrong('duplicates', resent, there.duplicates),
    ...wrong('batches refused', 0, ran.refused),
  ]
}
