import { expect, test } from 'vitest'
import { createLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { configSchema } from './config.ts'
import { openUpkeep } from './upkeep.ts'

test('a table that another engine made is not looked after, and whoever asks for it is told so', async () => {
  const clock = new ManualClock()
  const environment = { store: openMemoryStore({ clock }), clock, random: seededRandom(1) }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 1 })
  await lake.createTable('foreign', {
    ...{ columns: [{ name: 'a', type: 'long', meaning: '' }], partition: [] },
    configuration: { 'delta.enableExpiredLogCleanup': 'true' },
  })
  const { upkeep: config, retention } = configSchema.parse({})
  const { random } = environment
  const upkeep = openUpkeep({ lake, clock, random, scratch_folder: '/nowhere', config, retention })
  expect(await upkeep.tables()).toEqual(['events'])
  for (const task of [upkeep.compact, upkeep.vacuum, upkeep.cleanLog]) {
    await expect(task('foreign')).rejects.toMatchObject({ kind: 'invalid' })
    await task('events')
  }
})
