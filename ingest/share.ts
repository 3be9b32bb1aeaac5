/**
 * Which buckets a writer takes, where several writers share them. Only a division of labour: what keeps two writers of one
 * bucket from harm is the position that each commit compares (writer.ts), so a share may be late or overlap another.
 */
export type Share = {
  /** Those to take now, ascending. */
  buckets(): readonly number[]
  /** Calls `changed` after each change of `buckets`; the answer ends that. */
  watch(changed: () => void): () => void
  /** Gives them up, so that others may take them at once. */
  close(): Promise<void>
}

/** All buckets of a log that has one writer. */
export function wholeShare(buckets: number): Share {
  const all = Array.from({ length: buckets }, (_, bucket) => bucket)
  return { buckets: () => all, watch: () => () => undefined, close: () => Promise.resolve() }
}
