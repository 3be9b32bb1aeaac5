import type { Layout } from '../contract/bucket.ts'

/** The number that the table keeps for a bucket of a log: the last position that is in it. */
export function positionTxn(logId: string, layout: Layout, bucket: number): string {
  return `ingest:${logId}:${layout.epoch}:${bucket}`
}

/** Has the table read anything of this log, or of any? */
export function hasRead(txns: ReadonlyMap<string, number>, logId?: string): boolean {
  const begin = logId === undefined ? 'ingest:' : `ingest:${logId}:`
  return [...txns.keys()].some((appId) => appId.startsWith(begin))
}

/** The log whose position of a bucket is kept under `appId`; undefined when it keeps something else. */
export function logOfTxn(appId: string, layout: Layout, bucket: number): string | undefined {
  const [kind, log, epoch, of, ...rest] = appId.split(':')
  const names = kind === 'ingest' && rest.length === 0 && epoch === String(layout.epoch) && of === String(bucket)
  return names ? log : undefined
}
