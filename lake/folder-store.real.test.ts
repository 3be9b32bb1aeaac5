import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openFolderStore } from './folder-store.ts'

const folder = await mkdtemp(join(tmpdir(), 'hearth-race-'))
afterAll(() => rm(folder, { recursive: true }))

/** Puts its own name at 0, 1, 2, … as soon as each is free, and prints what it won. */
const RACER = `
import { openFolderStore } from ${JSON.stringify(join(import.meta.dirname, 'folder-store.ts'))}
const [root, name] = process.argv.slice(2)
const store = openFolderStore(root)
const won = []
for (let version = 0; version < 200; version++) {
  try {
    await store.put('log/' + String(version).padStart(20, '0'), Buffer.from(name), { ifAbsent: true })
    won.push(version)
  } catch (error) {
    if (error.kind !== 'conflict') throw error
  }
}
console.log(JSON.stringify(won))
`

test('of several processes that put the same path exactly one wins, and all agree on which', async () => {
  const script = join(folder, 'racer.ts')
  await writeFile(script, RACER)
  const root = join(folder, 'store')
  const names = ['a', 'b', 'c', 'd']
  const wins = await Promise.all(names.map((name) => race(script, root, name)))
  expect(wins.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i))
  const store = openFolderStore(root)
  for (const [index, won] of wins.entries()) {
    for (const version of won) {
      expect(Buffer.from(await store.get(`log/${String(version).padStart(20, '0')}`)).toString()).toBe(names[index])
    }
  }
})

function race(script: string, root: string, name: string): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, root, name], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`exit code ${code}`))))
  })
}
