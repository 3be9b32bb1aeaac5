/** A full disk under the lake alone: batches are acknowledged all the while, and written when there is room. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { openSystem } from './testing/system.ts'
import { underLoad } from './testing/under-load.ts'

const LIMIT_MS = 90_000
const root = process.getuid?.() === 0

test('a lake without room keeps nothing from being acknowledged, is told, and is gone on with by itself', async ({
  skip,
}) => {
  if (!root) skip('only root can mount a small file system')
  const folder = mkdtempSync(join(tmpdir(), 'hearth-bad-day-'))
  await using system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '300' })
  const lake = join(system.home, 'lake')
  mkdirSync(lake)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', lake])
  try {
    await underLoad(system, { folder, limit_ms: LIMIT_MS }, async ({ ingest, acknowledged }) => {
      const filler = join(lake, 'filler')
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' })
      } catch {
        // dd ends with an error when the disk is full, which is what it is for.
      }
      await ingest.untilSaid(/the writer tries again in \d+ ms: .*the disk is full/, LIMIT_MS)
      await acknowledged()
      rmSync(filler)
      await acknowledged()
    })
  } finally {
    execFileSync('umount', ['-l', lake])
    rmSync(folder, { recursive: true })
  }
})
