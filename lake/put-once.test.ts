import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFolderStore } from './folder-store.ts'
import { putOnce } from './put-once.ts'

test('what is there by a put whose sync failed is not taken for durable until it is synced', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-put-once-'))
  let isBroken = true
  const syncFolder = () => (isBroken ? Promise.reject(new Error('the disk is gone')) : Promise.resolve())
  const store = openFolderStore(folder, { syncFolder })
  const once = () => putOnce(store, 'additions/a', Buffer.from('a'))
  await expect(once()).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  await expect(once()).rejects.toMatchObject({ kind: 'unavailable' })
  isBroken = false
  await once()
  expect(Buffer.from(await store.get('additions/a')).toString()).toBe('a')
  await rm(folder, { recursive: true })
})
