import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { openMemoryStore } from './memory-store.ts'
import { objectStoreConformance } from './object-store.conformance.ts'

const scratch = await mkdtemp(join(tmpdir(), 'hearth-memory-store-'))
afterAll(() => rm(scratch, { recursive: true }))

objectStoreConformance('memory', async () => ({ store: openMemoryStore({ clock: new ManualClock() }), scratch }))
