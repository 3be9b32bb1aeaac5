import { describe, expect, test } from 'vitest'
import { dashboards, expressionsOf } from './dashboard.ts'

describe.each(dashboards().map((one) => [one.file, one] as const))('%s', (file, dashboard) => {
  const { panels, templating } = dashboard

  test('is named for its file, and its panels have ids and places of their own', () => {
    expect(`${dashboard.uid}.json`).toBe(file)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const taken = new Set<string>()
    for (const { gridPos, title } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false)
          taken.add(`${x} ${y}`)
        }
      }
    }
  })

  test('lets one choose the Prometheus, the job and the instance, and uses no variable that it has not', () => {
    const names = templating.list.map(({ name }) => name)
    expect(names.slice(0, 3)).toEqual(['datasource', 'job', 'instance'])
    const used = [...JSON.stringify(panels).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name ?? '')
    expect(used.filter((name) => !names.includes(name) && name !== '__rate_interval')).toEqual([])
    for (const expression of expressionsOf(dashboard)) expect(expression).toContain('instance=~')
  })
})

test('no two dashboards have the same uid', () => {
  const uids = dashboards().map(({ uid }) => uid)
  expect(new Set(uids).size).toBe(uids.length)
})
