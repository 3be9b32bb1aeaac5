import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { figuresIn } from './figure.ts'

describe('figures', () => {
  test('are read anew at each scrape, a counter too, and what is gone is gone', async () => {
    const metrics = new Registry()
    const { counter, gauge } = figuresIn(metrics)
    let sent = 3
    let lag: (readonly [{ bucket: string }, number])[] = [
      [{ bucket: '0' }, 1.5],
      [{ bucket: '1' }, 0],
    ]
    counter('hearth_test_sent_total', 'Sent.', () => sent)
    gauge('hearth_test_lag_seconds', 'Lag.', async () => lag)
    const text = await metrics.metrics()
    expect(text).toContain('# TYPE hearth_test_sent_total counter\nhearth_test_sent_total 3\n')
    expect(text).toContain('hearth_test_lag_seconds{bucket="0"} 1.5\n')
    sent = 5
    lag = [[{ bucket: '1' }, 2]]
    const again = await metrics.metrics()
    expect(again).toContain('hearth_test_sent_total 5\n')
    expect(again).not.toContain('bucket="0"')
  })

  test('that docs/operations.md tells of are there', () => {
    const sources = readdirSync(import.meta.dirname).filter((name) => name.endsWith('-figures.ts'))
    const code = sources.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8')).join('\n')
    const document = readFileSync(join(import.meta.dirname, '../docs/operations.md'), 'utf8')
    const told = [...document.matchAll(/`(hearth_[a-z_]+)/g)].map(([, name]) => name ?? '')
    expect(told.length).toBeGreaterThan(10)
    expect(told.filter((name) => !code.includes(`'${name}'`))).toEqual([])
  })
})
