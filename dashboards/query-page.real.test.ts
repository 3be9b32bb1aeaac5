/** The Query page in a browser, on a running system: SQL in its own process over a real lake. */
import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { members, opsOf, until } from '../cli/testing/system.ts'
import { closeVisits, openBrowser, PHONE, type Screen, sideways, type Visit, visit } from './testing/browser.ts'
import { type DemoSystem, startDemoSystem } from './testing/demo-system.ts'
import { startSample } from './testing/sample-server.ts'

let browser: Browser
let demo: DemoSystem
const visits: Visit[] = []
/** What the console may say: of each answer that is not a success the browser itself tells. */
let expected: RegExp[] = []

beforeAll(async () => {
  browser = await openBrowser()
  demo = await startDemoSystem({ hubs: 2, days: 0 })
  await demo.system.must(['send', 'demo-01', 'kitchen-lamp', 'powered=1'])
  await until('the command is in the table', 30_000, async () => {
    const [[count] = []] = await demo.system.csv('select count(*) from command_stages')
    return Number(count) > 3
  })
})

afterEach(async () => {
  const complaints = await closeVisits(visits, expected)
  expected = []
  expect(complaints).toEqual([])
})

afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

async function open(path: string, screen?: Screen) {
  const one = await visit(browser, demo.link, { path, ...(screen ? { screen } : {}) })
  visits.push(one)
  return one.page
}

const editor = (page: Page) => page.getByRole('textbox', { name: 'SQL' })
const result = (page: Page) => page.getByRole('table', { name: 'Result' })

async function run(page: Page, sql: string) {
  await editor(page).fill(sql)
  await editor(page).press('Control+Enter')
}

it('runs with Ctrl-Enter, shows a table, what it cost, and keeps the SQL in the address', async () => {
  const page = await open('/query')
  await run(
    page,
    "SELECT stage, count(*) AS n FROM command_stages WHERE stage IN ('issued', 'acked') GROUP BY stage ORDER BY 1",
  )
  await result(page).getByRole('columnheader', { name: 'stage' }).waitFor()
  expect(await result(page).getByRole('cell').allInnerTexts()).toEqual(['acked', '1', 'issued', '1'])
  await page.getByText(/^2 rows · .* · .* in \d+ files? of \d+ partitions? · events v\d+/).waitFor()
  await page.reload()
  await expect.poll(() => editor(page).innerText()).toContain('FROM command_stages')
})

it('draws the columns that are picked', async () => {
  const page = await open('/query')
  await run(
    page,
    'SELECT kind, count(*) AS events, count(DISTINCT hub_id) AS hubs FROM events GROUP BY kind ORDER BY 2 DESC',
  )
  await result(page).waitFor()
  await page.getByRole('tab', { name: 'Chart' }).click()
  await page.getByRole('img', { name: 'events by kind' }).locator('canvas').waitFor()
  await page.getByLabel('Up').selectOption({ label: 'hubs' })
  await page.getByRole('img', { name: 'hubs by kind' }).locator('canvas').waitFor()
})

it('draws over time, and says so where there is nothing to draw', async () => {
  const page = await open('/query')
  await run(
    page,
    "SELECT date_trunc('hour', event_time) AS hour, count(*) AS n, NULL::INT AS none FROM events GROUP BY 1",
  )
  await result(page)
    .getByRole('cell', { name: /:00:00\+00$/ })
    .first()
    .waitFor()
  await page.getByRole('tab', { name: 'Chart' }).click()
  await page.getByRole('img', { name: 'n by hour' }).locator('canvas').waitFor()
  await page.getByLabel('Up').selectOption({ label: 'none' })
  await page.getByText('No row has a value of both hour and none.').waitFor()
  await page.getByLabel('Up').selectOption({ label: 'n' })
  await page.getByRole('img', { name: 'n by hour' }).locator('canvas').waitFor()
})

it('downloads all rows as CSV, equal to what the command line says', async () => {
  const page = await open('/query')
  const sql = "SELECT stage, duration_ms FROM command_stages WHERE stage <> 'issued' ORDER BY stage, duration_ms"
  await run(page, sql)
  await result(page).waitFor()
  const started = page.waitForEvent('download')
  await page.getByRole('button', { name: 'CSV' }).click()
  const download = await started
  expect(download.suggestedFilename()).toBe('hearth.csv')
  expect(readFileSync(await download.path(), 'utf8')).toBe(await demo.system.must(['sql', '--csv', sql]))
})

it('says what is wrong with a query, and refuses what is no SELECT', async () => {
  expected = [/status of 400/]
  const page = await open('/query')
  await run(page, 'SELECT nothing_of_the_kind FROM events')
  const failure = page.getByRole('alert')
  await failure.getByText('The query did not run.').waitFor()
  expect(await failure.innerText()).toContain('nothing_of_the_kind')
  await run(page, "COPY events TO '/tmp/stolen.csv'")
  await failure.getByText(/SELECT/).waitFor()
})

it('cancels a long query for good: the query process is idle after it, and was not killed', async () => {
  const page = await open('/query')
  await run(page, 'SELECT sum(a.range * b.range % 7) FROM range(3000000) a, range(1000000) b')
  await page.getByText(/^running for [1-9]/).waitFor()
  const child = queryProcess()
  await expect.poll(() => figure('hearth_dashboards_running_queries')).toBeGreaterThan(0)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('The query was stopped on the server too; nothing of it runs on.').waitFor()
  await expect.poll(() => figure('hearth_dashboards_running_queries')).toBe(0)
  // The freshness of the top bar goes on asking a little; a query that went on would take the processors whole.
  let [before, at] = [processorTicks(child), performance.now()]
  await until('the query process rests', 20_000, () => {
    const [ticks, now] = [processorTicks(child), performance.now()]
    if (now - at < 1_000) return false
    const share = ((ticks - before) * 10) / (now - at)
    before = ticks
    at = now
    return share < 0.25
  })
  expect(queryProcess()).toBe(child)
  expect(await figure('hearth_dashboards_query_process_restarts_total')).toBe(0)
  await run(page, 'SELECT 41 + 1 AS answer')
  await result(page).getByRole('cell', { name: '42' }).waitFor()
})

it('cancels with Escape too', async () => {
  const page = await open('/query')
  await run(page, 'SELECT sum(a.range * b.range % 7) FROM range(3000000) a, range(1000000) b')
  await page.getByText(/^running for/).waitFor()
  await page.keyboard.press('Escape')
  await page.getByText('Cancelled', { exact: true }).waitFor()
})

/** Process id of the dashboards' child. */
function queryProcess(): number {
  const found = members(demo.tree.pid).filter(({ words }) => words.includes('dashboards-query'))
  expect(found.length).toBe(1)
  return found[0]?.pid ?? 0
}

/** Hundredths of a second of processor time that a process has taken. */
function processorTicks(pid: number): number {
  const after = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(after[11]) + Number(after[12])
}

async function figure(name: string): Promise<number> {
  const text = await (await fetch(`${opsOf(demo.system, 'dashboards')}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(text)?.[1])
}

it('shows tables and columns with unit and meaning, finds them, and inserts one at a click', async () => {
  const page = await open('/query')
  const schema = page.getByRole('complementary', { name: 'Schema' })
  await schema.getByPlaceholder('Search tables and columns').fill('duration_ms')
  const column = schema.getByRole('button', { name: /^duration_ms/ }).first()
  expect(await column.getAttribute('title')).toMatch(/in ms$/)
  await editor(page).fill('SELECT ')
  await column.click()
  expect(await editor(page).innerText()).toBe('SELECT duration_ms')
})

it('remembers queries in this browser', async () => {
  const page = await open('/query')
  await run(page, 'SELECT 7 AS seven')
  await result(page).waitFor()
  await editor(page).fill('SELECT 8')
  await page.getByRole('tab', { name: 'History' }).click()
  await page.getByRole('button', { name: /SELECT 7 AS seven/ }).click()
  expect(await editor(page).innerText()).toBe('SELECT 7 AS seven')
})

it('says so when there is nothing: no result yet, no rows', async () => {
  const page = await open('/query')
  await page.getByText('No result yet').waitFor()
  await run(page, "SELECT * FROM events WHERE kind = 'reading' AND hub_id = 'nobody'")
  await page.getByText('The query ran and found nothing.').waitFor()
})

it('says beside an answer of which days it is, and how much of their events is known to be lost', async () => {
  for (const [state, loss] of [
    ['full', /\(data to \d\d:\d\d:\d\d\): (0|0\.\d+|< 0\.0001) % lost, known to \d+ \w+, \d\d:00/],
    ['unmeasured', /\(data to \d\d:\d\d:\d\d\): loss not known yet/],
  ] as const) {
    const sample = await startSample({ now_ms: machineClock.now(), state })
    try {
      const one = await visit(browser, `${sample.url}/?token=hearth_sample`, { path: '/query' })
      visits.push(one)
      await one.page.getByText(/^data to/).waitFor()
      await run(one.page, 'SELECT count(*) FROM events')
      const cost = one.page.getByRole('region', { name: 'Editor' }).getByRole('status')
      await cost.filter({ hasText: loss }).waitFor()
      expect(await cost.innerText()).toMatch(/\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d \(/)
      expect(await closeVisits(visits)).toEqual([])
    } finally {
      await sample.close()
    }
  }
})

it('fits a phone', async () => {
  const page = await open('/query', PHONE)
  await run(page, 'SELECT * FROM events LIMIT 30')
  await result(page).waitFor()
  expect(await sideways(page)).toBe(0)
})
