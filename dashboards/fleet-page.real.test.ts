/** The Fleet page in a browser, over sample tables: what it shows, where its links lead, what it says of nothing. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import type { Dashboards } from './server.ts'
import { closeVisits, openBrowser, PHONE, type Screen, sideways, type Visit, visit } from './testing/browser.ts'
import { startSample } from './testing/sample-server.ts'

let browser: Browser
let full: Dashboards
let empty: Dashboards
const visits: Visit[] = []

beforeAll(async () => {
  browser = await openBrowser()
  full = await startSample({ now_ms: machineClock.now() })
  empty = await startSample({ now_ms: machineClock.now(), state: 'empty' })
})

afterEach(async () => {
  expect(await closeVisits(visits)).toEqual([])
})

afterAll(async () => {
  await browser?.close()
  await full?.close()
  await empty?.close()
})

async function open(path: string, screen?: Screen, server = full) {
  const one = await visit(browser, `${server.url}/?token=hearth_sample`, { path, ...(screen ? { screen } : {}) })
  visits.push(one)
  return one.page
}

const FIGURES = [
  'Availability',
  'Command success',
  'Telemetry loss',
  'Tap to light p50',
  'Tap to light p95',
  'Tap to light p99',
]

describe('with data', () => {
  it('shows each figure with its unit and its change against the window before', async () => {
    const page = await open('/fleet')
    for (const name of FIGURES) {
      const figure = page.getByRole('region', { name, exact: true })
      await figure.getByText(/against the 2[45] h before/).waitFor()
      expect(await figure.innerText()).toMatch(name.startsWith('Tap') ? /\d ?ms/ : /\d ?%/)
      expect(await figure.innerText()).toMatch(/[▲▼].*(better|worse)|unchanged/)
    }
  })

  it('says of each figure from which share of the events it was made, as some were lost', async () => {
    const page = await open('/fleet?range=7d')
    for (const name of FIGURES.filter((figure) => figure !== 'Telemetry loss')) {
      await page
        .getByRole('region', { name, exact: true })
        .getByText(/^from 99\.\d+ % of events$/)
        .waitFor()
    }
  })

  it('draws latency as a heat map with percentiles, and the rest as lines, each with its unit', async () => {
    const page = await open('/fleet')
    await page.getByRole('img', { name: /Tap to light: heat map/ }).waitFor()
    for (const name of ['Availability over time', 'Command success over time', 'Telemetry loss over time']) {
      expect(await page.getByRole('img', { name }).locator('canvas').count()).toBe(1)
    }
    expect(await page.getByText('ms, log scale, each hour').count()).toBe(1)
    expect(await page.getByText('Times in Europe/Berlin').count()).toBe(1)
  })

  it('marks on each chart when a firmware came and which hubs were in maintenance, those at once as one', async () => {
    const page = await open('/fleet?range=7d')
    const charts = page.getByRole('img', { name: /over time|heat map/ })
    await charts.first().waitFor()
    const at = String.raw`\d+ \w+, \d\d:00`
    const marks = `; firmware 2.4.1, ${at}; maintenance of demo-09, ${at} to ${at}; maintenance of 2 hubs, ${at} to ${at}$`
    for (const chart of await charts.all()) expect(await chart.getAttribute('aria-label')).toMatch(new RegExp(marks))
    expect(await charts.count()).toBe(5)
  })

  it('says what a figure means when its question mark is pressed, until Escape', async () => {
    const page = await open('/fleet')
    await page.getByRole('region', { name: 'Availability', exact: true }).getByRole('button').click()
    const definition = page.getByRole('dialog', { name: 'Definition' })
    await definition.getByRole('heading', { name: 'Connection availability' }).waitFor()
    expect(await definition.innerText()).toContain('fleet_hours')
    await page.keyboard.press('Escape')
    await definition.waitFor({ state: 'detached' })
  })

  it('leads from each figure and table to Query with SQL that runs', async () => {
    const page = await open('/fleet')
    const links = page.getByRole('link', { name: /^Rows behind/ })
    await page.getByRole('link', { name: 'Rows behind worst hubs' }).waitFor()
    const names = await links.evaluateAll((all) => all.map((link) => link.getAttribute('aria-label') ?? ''))
    expect(names.length).toBe(FIGURES.length + 5 + 2)
    for (const [index, name] of names.entries()) {
      await links.nth(index).click()
      await page.getByRole('table', { name: 'Result' }).getByRole('cell').first().waitFor()
      expect(new URL(page.url()).searchParams.get('sql'), name).toContain('SELECT')
      await page.goBack()
      await page.getByRole('link', { name: 'Rows behind worst hubs' }).waitFor()
    }
  })

  it('leads from a bad hub to its commands', async () => {
    const page = await open('/fleet')
    await page.getByRole('link', { name: 'demo-07' }).click()
    await page.getByRole('heading', { name: 'Commands', level: 1 }).waitFor()
    expect(
      await page
        .getByRole('region', { name: 'Commands', exact: true })
        .getByRole('combobox', { name: 'Hub' })
        .inputValue(),
    ).toBe('demo-07')
  })
})

describe('the time range', () => {
  it('is in the address, and the address brings it back', async () => {
    const page = await open('/fleet')
    await page.getByRole('button', { name: 'Last 24 hours' }).click()
    await page.getByRole('button', { name: 'Last 7 days' }).click()
    await page.getByText('against the 7 d before').first().waitFor()
    expect(new URL(page.url()).search).toBe('?range=7d')
    await page.reload()
    await page.getByText('against the 7 d before').first().waitFor()
    await page.getByRole('button', { name: 'One window back' }).click()
    await page.waitForURL(/from=.*to=/)
    await page.goBack()
    await page.waitForURL(/range=7d$/)
  })

  it('follows a drag over a chart', async () => {
    const page = await open('/fleet')
    const chart = page.getByRole('img', { name: 'Availability over time' })
    const box = await chart.boundingBox()
    if (!box) throw new Error('the chart is not on the page')
    await page.mouse.move(box.x + box.width * 0.4, box.y + 60)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL(/from=.*to=/)
    const { searchParams } = new URL(page.url())
    const span_ms = Date.parse(searchParams.get('to') ?? '') - Date.parse(searchParams.get('from') ?? '')
    expect(span_ms).toBeGreaterThan(4 * 3_600_000)
    expect(span_ms).toBeLessThan(12 * 3_600_000)
  })

  it('is shown in the zone that is named, the browser’s or UTC', async () => {
    const page = await open('/fleet?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z')
    await page.getByRole('button', { name: '1 Nov, 01:00 to 2 Nov, 01:00' }).waitFor()
    await page.getByRole('button', { name: 'Europe/Berlin' }).click()
    await page.getByRole('button', { name: '1 Nov, 00:00 to 2 Nov, 00:00' }).waitFor()
    expect(new URL(page.url()).searchParams.get('zone')).toBe('utc')
  })
})

it('is there before 150 kB of script have come, and the editor is left until its page is opened', async () => {
  const page = await open('/fleet')
  await page.getByRole('link', { name: 'Rows behind worst hubs' }).waitFor()
  const scripts = () =>
    page.evaluate<{ name: string; bytes: number }[]>(
      `performance.getEntriesByType('resource').filter((e) => e.name.endsWith('.js')).map((e) => ({ name: e.name, bytes: e.encodedBodySize }))`,
    )
  const first = await scripts()
  expect(first.length).toBeGreaterThan(0)
  expect(first.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(150_000)
  expect(first.some(({ name }) => name.includes('editor'))).toBe(false)
  await page.getByRole('link', { name: 'Query' }).click()
  await page.getByRole('textbox', { name: 'SQL' }).waitFor()
  expect((await scripts()).some(({ name }) => name.includes('editor'))).toBe(true)
})

it('says who is connected now, and since when the others are not', async () => {
  const connected = Array.from({ length: 21 }, (_, index) => ({ hub: `demo-${String(index + 1).padStart(2, '0')}` }))
  const relay = createServer((_request, response) => response.end(JSON.stringify({ hubs: connected })))
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  const address = relay.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  const server = await startSample({ now_ms: machineClock.now(), relay: `http://127.0.0.1:${address.port}` })
  try {
    const page = await open('/fleet', undefined, server)
    const line = page.getByRole('status', { name: 'Connected now' })
    await line.getByText('21 of 25 hubs').waitFor()
    const off = String.raw`demo-2\d since \d\d:\d\d`
    const told = new RegExp(`connected now; off: ${off}, ${off}, ${off}, … \\(1 more\\)$`)
    // Since when, the tables say, which may come later.
    await expect.poll(() => line.innerText(), { timeout: 15_000 }).toMatch(told)
    await line.getByRole('link', { name: 'demo-22' }).click()
    await page.waitForURL(/\/commands\?hub=demo-22$/)
    expect(await closeVisits(visits)).toEqual([])
  } finally {
    await server.close()
    relay.close()
  }
})

it('says that no relay answers', async () => {
  const page = await open('/fleet')
  await page.getByText('Not known who is connected now: no relay answers.').waitFor()
})

it('says of nothing why, and what to do', async () => {
  const page = await open('/fleet', undefined, empty)
  const note = page.getByRole('status').filter({ hasText: 'No hub has reported yet' })
  await note.waitFor()
  expect(await note.innerText()).toContain('hearth up --demo')
  expect(await page.getByText('no data yet').count()).toBe(1)
})

it('says calmly that the first metrics are being made, and that newer hours are still to come', async () => {
  for (const [state, words] of [
    ['unmeasured', /^The first metrics are being calculated/],
    ['behind', /^Metrics reach to \d+ \w+, \d\d:00\. The hours since then are being calculated/],
  ] as const) {
    const server = await startSample({ now_ms: machineClock.now(), state })
    try {
      const page = await open('/fleet', undefined, server)
      await page.getByRole('status').filter({ hasText: words }).waitFor()
      expect(await page.getByRole('alert').count()).toBe(0)
      expect(await page.getByRole('region', { name: 'Availability', exact: true }).count()).toBe(
        state === 'behind' ? 1 : 0,
      )
      await visits.at(-1)?.close()
    } finally {
      await server.close()
    }
  }
})

it.each([
  ['light', PHONE],
  ['dark', { ...PHONE, theme: 'dark' as const }],
])('fits a phone in %s without scrolling sideways', async (_theme, screen) => {
  const page = await open('/fleet', screen)
  await page.getByRole('link', { name: 'demo-07' }).waitFor()
  expect(await sideways(page)).toBe(0)
})
