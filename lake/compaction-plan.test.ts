import { describe, expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import type { AddFile } from './action.ts'
import { compactionPlan, JOINED_TAG } from './compaction-plan.ts'
import { UNIT_TAG } from './conflict.ts'
import {
  COMPACT_FILE_MAX_BYTES,
  COMPACT_FILE_MIN_BYTES,
  COMPACT_FILES_MAX,
  COMPACT_TIER_RATIO,
  PARTITION_FILES_DUE,
  PARTITION_FILES_MAX,
} from './limits.ts'
import { openMemoryStore } from './memory-store.ts'
import type { Snapshot } from './snapshot.ts'
import { shapeOf } from './table-shape.ts'
import { createSample, sampleFile } from './testing/sample.ts'

const HOUR_MS = 3_600_000
const noon_ms = Date.UTC(2026, 10, 24, 12)
const clock = new ManualClock(noon_ms)
const empty = await (await createSample(openMemoryStore({ clock }), clock)).snapshot()

function snapshotOf(files: readonly AddFile[]): Snapshot {
  return { ...empty, files: new Map(files.map((file) => [file.path, file])) }
}

/** Files of the sample's day and bucket. */
function files(sizes: readonly number[], more: Partial<AddFile> = {}): AddFile[] {
  return sizes.map((size, i) => sampleFile(`f${i}`, { size, modificationTime: noon_ms - HOUR_MS, ...more }))
}

const plan = (all: readonly AddFile[], now_ms = noon_ms) =>
  compactionPlan(snapshotOf(all), { now_ms, closed_after_ms: 3 * HOUR_MS })

describe('of a day that is not over', () => {
  test('files are joined once the oldest is an hour old', () => {
    const young = files([100, 100, 100], { modificationTime: noon_ms - HOUR_MS + 1 })
    expect(plan(young)).toEqual([])
    expect(plan(young, noon_ms + 1)).toMatchObject([{ why: 'an hour is over', tags: {} }])
    expect(plan(young, noon_ms + 1)[0]?.files).toHaveLength(3)
  })

  test('files are joined at once when there are many', () => {
    const young = { modificationTime: noon_ms }
    expect(plan(files(Array(PARTITION_FILES_DUE - 1).fill(100), young))).toEqual([])
    const [group] = plan(files(Array(PARTITION_FILES_DUE).fill(100), young))
    expect(group).toMatchObject({ why: 'there are many' })
    expect(group?.files).toHaveLength(PARTITION_FILES_DUE)
  })

  test('what is much larger than all that is smaller is left alone, whatever lies below it', () => {
    const sizes = [1_000, 100_000, 110_000, 5_000_000]
    expect(plan(files(sizes)).map((group) => group.files.map(({ size }) => size))).toEqual([[100_000, 110_000]])
  })

  test('a file alone is not rewritten', () => {
    expect(plan(files([100]))).toEqual([])
  })

  test('partitions, and files with other tags, stay apart', () => {
    const other = files([100, 100], { partitionValues: { day: '2026-11-24', bucket: '0' } })
    const tagged = files([100], { tags: { note: 'x' } })
    const all = [...files([100, 100]), ...other, ...tagged].map((file, i) => ({ ...file, path: `p${i}` }))
    expect(plan(all).map((group) => group.files.map(({ path }) => path))).toEqual([
      ['p0', 'p1'],
      ['p2', 'p3'],
    ])
  })

  test('files that stand for a unit of work are not touched', () => {
    expect(plan(files([100, 100], { tags: { [UNIT_TAG]: '2026-11-24/1' } }))).toEqual([])
  })
})

describe('a day that is closed', () => {
  const closed_ms = Date.UTC(2026, 10, 25, 3)

  test('is joined as a whole, once, some hours after its end', () => {
    const all = files([100, 10_000, 9_000_000])
    expect(plan(all, closed_ms - 1)).toEqual([])
    const [group, more] = plan(all, closed_ms)
    expect(group).toMatchObject({ why: 'the day is closed', tags: { [JOINED_TAG]: 'day' } })
    expect(group?.files).toHaveLength(3)
    expect(more).toBeUndefined()
  })

  test('takes what comes late in runs, and leaves the whole of the day alone', () => {
    const whole = { ...sampleFile('whole', { size: 9_000_000 }), tags: { [JOINED_TAG]: 'day' } }
    expect(plan([whole, ...files([100])], closed_ms)).toEqual([])
    const [group] = plan([whole, ...files([100, 100])], closed_ms)
    expect(group?.files.map(({ path }) => path)).not.toContain(whole.path)
    expect(group?.tags).toEqual({})
    // A run that the whole of the day is part of is the whole of the day again.
    const [all] = plan([whole, ...files([2_000_000, 2_000_000])], closed_ms)
    expect(all?.files).toHaveLength(3)
    expect(all?.tags).toEqual({ [JOINED_TAG]: 'day' })
  })

  test('is not taken for over while files still come to it', () => {
    const coming = { modificationTime: closed_ms - HOUR_MS + 1 }
    expect(plan([...files([100, 200]), sampleFile('new', { size: 300, ...coming })], closed_ms)).toMatchObject([
      { why: 'an hour is over', tags: {} },
    ])
    expect(plan(files([100, 200], coming), closed_ms + 1)).toMatchObject([{ why: 'the day is closed' }])
  })

  test('leaves files alone that are large enough, and makes none that is too large', () => {
    const sizes = [COMPACT_FILE_MIN_BYTES, ...Array(9).fill(COMPACT_FILE_MIN_BYTES / 2)]
    const groups = plan(files(sizes), closed_ms)
    expect(groups.map((group) => group.files.length)).toEqual([4, 4])
    for (const group of groups) {
      const bytes = group.files.reduce((sum, { size }) => sum + size, 0)
      expect(bytes).toBeLessThanOrEqual(COMPACT_FILE_MAX_BYTES)
    }
  })
})

test('a commit joins a bounded number of files', () => {
  const groups = plan(files(Array(2 * COMPACT_FILES_MAX + 1).fill(1)))
  expect(groups.map((group) => group.files.length)).toEqual([COMPACT_FILES_MAX, COMPACT_FILES_MAX])
})

test('what is left of a partition when nothing is due any more is a handful of files, each much larger than the last', () => {
  let all = files(Array.from({ length: 1_000 }, (_, i) => 16_384 + ((i * 7919) % 1_000_000)))
  let written = 0
  for (let groups = plan(all); groups.length > 0; groups = plan(all)) {
    for (const { files: joined } of groups) {
      const size = joined.reduce((sum, file) => sum + file.size, 0)
      written += size
      all = [...all.filter((file) => !joined.includes(file)), sampleFile(`joined-${written}`, { size })]
    }
  }
  const small = all.map(({ size }) => size).filter((size) => size < COMPACT_FILE_MIN_BYTES)
  expect(small.length).toBeLessThanOrEqual(6)
  for (const [i, size] of small.toSorted((a, b) => a - b).entries()) {
    if (i > 0) expect(size).toBeGreaterThan(COMPACT_TIER_RATIO * (small.toSorted((a, b) => a - b)[i - 1] ?? 0))
  }
  expect(written).toBeLessThan(3 * all.reduce((sum, { size }) => sum + size, 0))
  expect(shapeOf(snapshotOf(all)).fullest_partition).toBe(small.length)
})

test('with a commit each second and a look each minute a partition never has more files than it may', () => {
  let all: AddFile[] = []
  let most = 0
  for (let second = 0; second < 6 * 3_600; second++) {
    const now_ms = noon_ms + second * 1_000
    if (second % 60 === 0) {
      for (const { files: joined } of plan(all, now_ms)) {
        const size = joined.reduce((sum, file) => sum + file.size, 0)
        const whole = sampleFile(`joined-${second}-${size}`, { size, modificationTime: now_ms })
        all = [...all.filter((file) => !joined.includes(file)), whole]
      }
    }
    all.push(sampleFile(`f${second}`, { size: 20_000 + ((second * 7919) % 40_000), modificationTime: now_ms }))
    if (second % 60 === 59) most = Math.max(most, shapeOf(snapshotOf(all)).fullest_partition)
  }
  expect(most).toBeLessThanOrEqual(PARTITION_FILES_MAX)
  const bytes = all.reduce((sum, { size }) => sum + size, 0)
  expect(all.length).toBeLessThanOrEqual(PARTITION_FILES_MAX + bytes / COMPACT_FILE_MIN_BYTES)
})
