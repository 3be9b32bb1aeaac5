import { xxh64 } from '@node-rs/xxhash'
import { assert } from './problem.ts'

/** The layout that new lakes begin with. */
export const FIRST_EPOCH = 1
/** Buckets of a lake on one machine; production begins with 16. */
export const EMBEDDED_BUCKETS = 4

/** How the fleet is split: the hub that an event is about decides the bucket, for the log, the files and the jobs. */
export type Layout = { readonly epoch: number; readonly buckets: number }

/** xxh64 (seed 0) of the UTF-8 hub id, unsigned, modulo the number of buckets. Test vectors: bucket.test.ts. */
export function bucketOf(hub_id: string, buckets: number): number {
  assert(Number.isInteger(buckets) && buckets > 0, `buckets must be a positive integer, found ${buckets}`)
  return Number(xxh64(hub_id) % BigInt(buckets))
}

/** The stream on which a service speaks about the hubs of a bucket: `e1b00`, `e1b01`, … */
export function serviceStream(epoch: number, bucket: number): string {
  return `e${epoch}b${String(bucket).padStart(2, '0')}`
}

/** The (epoch, bucket) of a service stream's name, or undefined when it is not one. */
export function parseServiceStream(stream: string): { readonly epoch: number; readonly bucket: number } | undefined {
  const match = /^e(\d{1,6})b(\d{2,5})$/.exec(stream)
  return match ? { epoch: Number(match[1]), bucket: Number(match[2]) } : undefined
}
