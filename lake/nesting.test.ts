import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFolderStore } from './folder-store.ts'
import { LAKE_PATH } from './lake.ts'
import { refuseNesting } from './nesting.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-nesting-'))
  await at('outer').put(`a/${LAKE_PATH}`, Buffer.from('{}'))
})
afterEach(() => rm(folder, { recursive: true }))
const at = (...parts: readonly string[]) => openFolderStore(join(folder, ...parts))

test('a new lake is refused inside of another one and around it, and not beside it', async () => {
  await expect(refuseNesting(at('outer', 'a', 'deep', 'b'), [at('outer'), at('outer', 'a')])).rejects.toThrow(
    /outer\/a\/deep\/b lies inside of the lake at file:.*outer\/a:/,
  )
  await expect(refuseNesting(at('outer'), [at()])).rejects.toThrow(/outer has another lake inside of it, a:/)
  await refuseNesting(at('outer', 'b'), [at('outer'), at()])
})
