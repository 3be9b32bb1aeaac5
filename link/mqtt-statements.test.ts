/** Holds the table of docs/mqtt.md to the tests, and the code's citations to the table. */
import fs from 'node:fs'
import { describe, expect, test } from 'vitest'

const folder = new URL('.', import.meta.url)
const document = fs.readFileSync(new URL('../docs/mqtt.md', folder), 'utf8')

type Row = { readonly statement: string; readonly here: string; readonly tests: readonly string[] }

const rows: readonly Row[] = [...document.matchAll(/^\| (MQTT3?-\S+) \|[^|]+\| ([^|]+) \|([^|]*)\|$/gm)].map(
  ([, statement = '', here = '', tests = '']) => ({
    statement,
    here,
    tests: tests
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  }),
)

const NUMBER = /\[(MQTT3?-\d[\d.]*-\d+)\]/g
/** Numbers in the code, by file without its ending; of tests those in comments do not count. */
const cited = new Map(
  fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.startsWith('mqtt-statements'))
    .map((name) => {
      const text = fs.readFileSync(new URL(name, folder), 'utf8')
      const counted = name.endsWith('.test.ts') ? text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '') : text
      return [
        name.replace(/(\.test)?\.ts$/, name.includes('.test.') ? '.test' : ''),
        new Set([...counted.matchAll(NUMBER)].map((match) => match[1] ?? '')),
      ]
    }),
)

describe('docs/mqtt.md', () => {
  test('has every statement of MQTT 5.0 (251, appendix B) and of 3.1.1 once', () => {
    const numbers = rows.map(({ statement }) => statement)
    expect(numbers.filter((statement, i) => numbers.indexOf(statement) !== i)).toEqual([])
    expect(numbers.filter((statement) => statement.startsWith('MQTT-'))).toHaveLength(251)
    expect(document.split('\n').filter((line) => line.startsWith('| MQTT'))).toHaveLength(rows.length)
  })

  test('says of each whether it is kept, refused or not applicable', () => {
    expect(rows.filter(({ here }) => !/^(kept($|[:;,])|refused: |not applicable: )/.test(here))).toEqual([])
  })

  test('names tests that have its number', () => {
    const wrong = rows.flatMap(({ statement, tests }) =>
      tests
        .filter((name) => !cited.get(`${name}.test`)?.has(statement))
        .map((name) => `${statement} is not in ${name}.test.ts`),
    )
    expect(wrong).toEqual([])
  })

  test('names a test of all that is kept or refused', () => {
    const unproved = rows.filter(({ here, tests }) => !here.startsWith('not applicable') && tests.length === 0)
    expect(unproved.map(({ statement }) => statement)).toEqual([])
  })

  test('has a row for each number that the code and its tests cite, and names those tests', () => {
    const wrong = [...cited].flatMap(([name, numbers]) =>
      [...numbers]
        .filter((number) => {
          const row = rows.find(({ statement }) => statement === number)
          return !row || (name.endsWith('.test') && !row.tests.includes(name.replace('.test', '')))
        })
        .map((number) => `${number} of ${name}.ts`),
    )
    expect(wrong).toEqual([])
  })
})
