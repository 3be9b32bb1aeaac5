import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const here = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8')
const rule = z.strictObject({
  ...{ alert: z.string(), expr: z.string(), for: z.string().regex(/^[1-9]\d*[mh]$/) },
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string(), runbook: z.string() }),
})
const rules = z
  .strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })) })
  .parse(parse(here('hearth.rules.yaml')))
  .groups.flatMap((group) => group.rules)
const names = rules.map(({ alert }) => alert)

describe('each alert', () => {
  test('says since when, how bad, and in numbers what', () => {
    expect(rules.length).toBeGreaterThan(20)
    for (const { alert, annotations } of rules) {
      expect(annotations.summary, alert).toMatch(/\{\{ \$(value|labels)/)
    }
    expect(new Set(names).size).toBe(names.length)
  })

  test('has its paragraph in docs/operations.md, and each paragraph its alert', () => {
    const document = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8')
    const paragraphs = [...document.matchAll(/^### (Hearth\w+)\n\n\S/gm)].map(([, name = '']) => name)
    expect(paragraphs.toSorted()).toEqual(names.toSorted())
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`)
    }
  })

  test('has a test in which it fires, and one in which it does not', () => {
    const tests = here('hearth.test.yaml')
    for (const name of names) {
      expect(tests, name).toMatch(
        new RegExp(`- alertname: ${name}\\n +eval_time: \\S+\\n +exp_alerts:\\n +- exp_labels`),
      )
      expect(tests, name).toMatch(new RegExp(`- \\{ alertname: ${name}, eval_time: \\S+ \\}`))
    }
  })
})
