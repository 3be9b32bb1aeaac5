import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAuthority } from '../registry/authority.ts'
import { keepFiles, keptFiles } from './hub-files.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { draftOf } from './state-file.ts'

const NAMES = ['key.pem', 'ca.pem', 'cert.pem'] as const
let home: string
let folder: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-hub-files-'))
  folder = join(home, 'hubs', 'villa')
})

afterEach(() => rmSync(home, { recursive: true }))

async function issue() {
  const authority = await createAuthority(join(home, 'ca'), {
    fleet: 'demo',
    clock,
    random,
    record: () => Promise.resolve(),
  })
  const issued = await authority.issueHub('villa', 1)
  return { key: issued.key_pem, cert: issued.certificate_pem, ca: authority.certificate_pem }
}

/** The folder as a death leaves it after `drafts` drafts and `named` names of the second identity. */
function cutOff(second: Awaited<ReturnType<typeof issue>>, drafts: number, named: number): void {
  const texts = [second.key, second.ca, second.cert]
  for (let i = 0; i < drafts; i++) writeFileSync(join(folder, draftOf(NAMES[i] ?? '')), texts[i] ?? '')
  for (let i = 0; i < named; i++) {
    const path = join(folder, NAMES[i] ?? '')
    writeFileSync(path, readFileSync(draftOf(path)))
    rmSync(draftOf(path))
  }
}

describe('the identity of a hub', () => {
  test('is a key and its certificate, whenever a renewal was cut off', async () => {
    const [first, second] = [await issue(), await issue()]
    const moments = [
      { drafts: 0, named: 0 },
      { drafts: 1, named: 0 },
      { drafts: 2, named: 0 },
      { drafts: 3, named: 0 },
      { drafts: 3, named: 1 },
      { drafts: 3, named: 2 },
      { drafts: 3, named: 3 },
    ]
    for (const { drafts, named } of moments) {
      rmSync(folder, { recursive: true, force: true })
      keepFiles(folder, first)
      cutOff(second, drafts, named)
      expect([drafts, named, keptFiles(folder)]).toEqual([drafts, named, named === 0 ? first : second])
      // And it goes on from there.
      expect(keptFiles(folder)).toEqual(named === 0 ? first : second)
      keepFiles(folder, first)
      expect(keptFiles(folder)).toEqual(first)
    }
  })

  test('is none, when the first enrolment was cut off before the key had its name', async () => {
    const first = await issue()
    expect(keptFiles(folder)).toBeUndefined()
    mkdirSync(folder, { recursive: true })
    cutOff(first, 3, 0)
    expect(keptFiles(folder)).toBeUndefined()
    cutOff(first, 3, 1)
    expect(keptFiles(folder)).toEqual(first)
  })
})
