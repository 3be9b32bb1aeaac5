import { describe, expect, test } from 'vitest'
import { checkpointDue, countNamedFiles } from './checkpoint-due.ts'
import { sampleFile } from './testing/sample.ts'

const commit = (version: number, files: number) => ({
  ...{ version, info: undefined, removes: [], txns: [], metadata: undefined, protocol: undefined },
  adds: Array.from({ length: files }, (_, i) => sampleFile(`${version}-${i}`)),
})

describe('a checkpoint is due', () => {
  test.each([
    ['when there is none', 20, { version: 0, files: undefined }, undefined, true],
    ['when a small table grew by a twentieth', 40, { version: 20, files: 400 }, 20, true],
    ['not before a large one did', 40, { version: 20, files: 10_000 }, 499, false],
    ['once a large one did', 60, { version: 20, files: 10_000 }, 500, true],
    ['after 400 versions, whatever they did', 420, { version: 20, files: 100_000 }, 0, true],
    ['not a version before that', 400, { version: 20, files: 100_000 }, 4_999, false],
    ['when it is not known how many files were named', 40, { version: 20, files: 10_000 }, undefined, true],
    ['not below one that another wrote', 40, { version: 60, files: 10 }, undefined, false],
  ] as const)('%s', (_, version, last, named, due) => {
    expect(checkpointDue(version, last, named)).toBe(due)
  })

  test('by what the entries named, each counted once, as far as they were read', () => {
    const named = countNamedFiles()
    named.restart(20)
    named.count([commit(21, 3), commit(22, 2)])
    named.count([commit(22, 2), commit(23, 1)])
    expect([named.between(20, 23), named.between(21, 23), named.between(19, 23)]).toEqual([6, 3, undefined])
    named.restart(40)
    expect([named.between(20, 23), named.between(40, 40)]).toEqual([undefined, 0])
  })
})
