import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from './load-config.ts'
import { metricsOf, placedMetrics, withoutMetrics } from './metrics-of.ts'

test('what is wrong with the folder of metrics names the setting', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-metrics-'))
  const of = (metrics: string) => ({ config: loadConfig(folder, { HEARTH_JOBS_METRICS: metrics }, folder) })
  try {
    expect(withoutMetrics(of(''))).toBeUndefined()
    expect(withoutMetrics(of(folder))).toBe(
      `jobs.metrics (HEARTH_JOBS_METRICS): expected metrics, found no *.sql in ${folder}`,
    )
    const away = join(folder, 'away')
    expect(() => metricsOf(of(away))).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: `jobs.metrics (HEARTH_JOBS_METRICS): expected a folder of metrics, or a file with one; nothing is at ${away}`,
      }),
    )
    writeFileSync(join(folder, 'x.sql'), '-- metric: x\nSELECT 1')
    expect(placedMetrics(of(folder)).faults).toEqual([
      expect.stringContaining(`${join(folder, 'x.sql')}: the header lacks`),
    ])
    expect(withoutMetrics(of(folder))).toBeUndefined()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
