/** The Jobs page in a browser, over sample tables: what it shows, where its links lead, what it says of nothing. */
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import type { Dashboards } from './server.ts'
import { closeVisits, openBrowser, PHONE, type Screen, sideways, type Visit, visit } from './testing/browser.ts'
import { type SampleState, startSample } from './testing/sample-server.ts'

let browser: Browser
let full: Dashboards
const visits: Visit[] = []
/** What a browser says of an hour that there is not. */
const expected: RegExp[] = []

beforeAll(async () => {
  browser = await openBrowser()
  full = await startSample({ now_ms: machineClock.now() })
})

afterEach(async () => {
  expect(await closeVisits(visits, expected.splice(0))).toEqual([])
})

afterAll(async () => {
  await browser?.close()
  await full?.close()
})

async function open(path: string, screen?: Screen, server = full) {
  const one = await visit(browser, `${server.url}/?token=hearth_sample`, { path, ...(screen ? { screen } : {}) })
  visits.push(one)
  return one.page
}

/** With another state of the sample tables. */
async function openIn(state: SampleState, use: (page: Awaited<ReturnType<typeof open>>) => Promise<void>) {
  const server = await startSample({ now_ms: machineClock.now(), state })
  try {
    await use(await open('/jobs', undefined, server))
    expect(await closeVisits(visits, expected.splice(0))).toEqual([])
  } finally {
    await server.close()
  }
}

describe('with data', () => {
  it('says at the top what there is to look at, and shows each figure with its meaning', async () => {
    const page = await open('/jobs')
    await page.getByText('To look at: 1 run of another Hearth under way.').waitFor()
    const facts = { 'Late metrics': '0', 'Due units': '2 208', 'Failing metrics': '0', 'Fleet complete to': ':00' }
    for (const [name, value] of Object.entries(facts)) {
      const fact = page.getByRole('region', { name, exact: true })
      await fact.getByRole('button', { name: /^What is/ }).click()
      await page.getByRole('dialog', { name: 'Definition' }).waitFor()
      await page.keyboard.press('Escape')
      expect((await fact.innerText()).replaceAll('\u2009', ' '), name).toContain(value)
    }
  })

  it('tells of each metric whether it is fresh, what is due of it and why, and what it means', async () => {
    const page = await open('/jobs')
    const metrics = page.getByRole('region', { name: 'Metrics' })
    await metrics
      .getByRole('row', { name: /^latency_hours .* due .* 2 208 definition rose: 2 204 .* events moved: 4 / })
      .waitFor()
    await metrics.getByRole('row', { name: /^hubs .* fresh whole history 0 / }).waitFor()
    const day = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' })
    const yesterday = day.format(machineClock.now() - 86_400_000)
    await metrics
      .getByRole('row', { name: new RegExp(`^device_days .* fresh ${yesterday} 0 10 ${yesterday} 1$`) })
      .waitFor()
    await metrics.getByRole('button', { name: 'What is metric hub hours?' }).click()
    const meaning = page.getByRole('dialog', { name: 'Definition' })
    await meaning.getByText(/What each hub of the fleet did in each hour.*One row per hub × hour.*Revision/).waitFor()
  })

  it('tells how far a run elsewhere is, and how to end it', async () => {
    const page = await open('/jobs')
    const under = page.getByRole('region', { name: 'Under way elsewhere' }).last()
    await under
      .getByRole('row', {
        name: /^latency_hours .* 5 of 8 parts 2 208 \d min 0 hearth jobs cancel latency-hours-1f0c9a-6k/,
      })
      .waitFor()
    await under.getByRole('row', { name: /^of another Hearth 0 – 2 d 0 hearth jobs cancel hub-weeks-/ }).waitFor()
  })

  it('tells of a run who calculated it, and of one that failed why, try by try', async () => {
    const page = await open('/jobs')
    const runs = page.getByRole('region', { name: 'Runs' })
    await runs
      .getByRole('row', { name: /hub_hours committed 4 .* 380 ms the jobs’ process events moved, hour is over$/ })
      .first()
      .waitFor()
    await runs.getByRole('row', { name: /sessions failed 0 .* kubernetes: 8 parts, 11 tries/ }).waitFor()
    await runs.getByText('of 8 parts of sessions-1f0c9a-6j-9b1e44 not 6 came to an end').waitFor()
    await runs.getByText('3 tries failed').click()
    await runs.getByText(/^part 6 \(pod sessions-6-mm01c\): it was killed for its memory/).waitFor()

    await runs.getByRole('button', { name: 'Failed only' }).click()
    await runs
      .getByRole('row', { name: /hub_hours committed/ })
      .first()
      .waitFor({ state: 'detached' })
    expect(new URL(page.url()).searchParams.get('failed')).toBe('1')
    expect(await runs.getByRole('row', { name: / failed / }).count()).toBe(1)
  })

  it('explains an hour of the metric that is chosen, bucket by bucket', async () => {
    const page = await open('/jobs')
    await page.getByRole('region', { name: 'Metrics' }).getByRole('link', { name: 'hub_hours', exact: true }).click()
    const explain = page.getByRole('region', { name: 'Explain' })
    await explain.getByRole('row', { name: /^0 no events 4 812 hubs 4 081 / }).waitFor()
    await explain.getByRole('row', { name: /^1 events moved events/ }).waitFor()
    await explain.getByRole('row', { name: /^3 never computed nothing yet/ }).waitFor()
    await page.getByRole('region', { name: 'Runs' }).getByText('of hub_hours, that began in this window').waitFor()
    await explain.getByRole('textbox', { name: 'Hour (UTC)' }).fill('2026-01-02T03')
    await page.keyboard.press('Enter')
    await explain.getByText(/of 2 Jan, 03:00 UTC was made/).waitFor()
    await explain.getByRole('button', { name: 'One hour back' }).click()
    expect(new URL(page.url()).searchParams.get('hour')).toBe('2026-01-02T02')
    await explain.getByRole('button', { name: 'Newest complete' }).click()
    expect(new URL(page.url()).searchParams.get('hour')).toBeNull()
  })

  it('says of an hour that there is not why', async () => {
    expected.push(/status of 404/)
    const page = await open('/jobs?metric=hub_hours&hour=2099-01-01T00')
    await page.getByText('There is nothing to explain: hub_hours has no such hour: it has not begun.').waitFor()
  })

  it('leads from its runs to Query with SQL that runs', async () => {
    const page = await open('/jobs?metric=sessions')
    await page.getByRole('link', { name: 'Rows behind runs' }).click()
    await page.getByRole('table', { name: 'Result' }).getByRole('cell').first().waitFor()
  })
})

it('says first that metrics are late, each by how much, in words', async () => {
  await openIn('behind', async (page) => {
    await page.getByText('1 metric failing; 7 metrics late;').waitFor()
    await page
      .getByRole('region', { name: 'Metrics' })
      .getByRole('row', { name: /^fleet_hours .* late .* 20 never computed: 16/ })
      .waitFor()
  })
})

it('says first that a metric fails, since when and why, however new its newest hour is', async () => {
  await openIn('failing', async (page) => {
    await page.getByText('To look at: 1 metric failing; 1 run of another Hearth under way.').waitFor()
    const fact = page.getByRole('region', { name: 'Failing metrics', exact: true })
    expect(await fact.innerText()).toMatch(/1\s+see below\s+command_traces/)
    const metrics = page.getByRole('region', { name: 'Metrics', exact: true })
    await metrics.getByRole('row', { name: /^command_traces .* failing .* 96 never computed from/ }).waitFor()
    const runs = page.getByRole('region', { name: 'Runs' })
    await runs.getByText(/^19 times since .*, last .*: $/).waitFor()
    expect(await runs.getByRole('row', { name: /command_traces failed 96/ }).count()).toBe(1)
    await metrics.getByText(/^failed 19 times since .*, last .*: the data file events\/.* cannot be read/).waitFor()
  })
})

it('says in the top bar why it cannot tell how new the data is', async () => {
  expected.push(/status of 500/)
  const one = await visit(browser, `${full.url}/?token=hearth_sample`, { path: '/lake' })
  visits.push(one)
  const message = 'the data file events/part-7.parquet cannot be read'
  await one.page.route('**/api/freshness', (route) =>
    route.fulfill({ status: 500, json: { kind: 'corrupt', message } }),
  )
  await one.page.reload()
  const bar = one.page.getByRole('alert').filter({ hasText: 'how new the data is cannot be read' })
  await bar.getByText(message).waitFor()
})

it('says of metrics that were never made that they are not, and of no events what to do', async () => {
  expected.push(/status of 404/)
  await openIn('unmeasured', async (page) => {
    await page.getByText('To look at: no metric is made yet.').waitFor()
    await page.getByText('None yet: nothing was calculated so far.').waitFor()
  })
  await openIn('empty', async (page) => {
    const note = page.getByRole('status').filter({ hasText: 'Nothing to calculate yet' })
    await note.waitFor()
    expect(await note.innerText()).toContain('hearth up --demo')
  })
})

it('keeps showing what it knew when the server is gone, and says how old it is', async () => {
  const server = await startSample({ now_ms: machineClock.now() })
  expected.push(/ERR_/, /Failed to load resource/)
  const page = await open('/jobs', undefined, server)
  await page
    .getByRole('region', { name: 'Metrics' })
    .getByRole('row', { name: /^hub_hours/ })
    .waitFor()
  await server.close()
  await page.getByText('The jobs could not be read:').waitFor()
  await page
    .getByText(/Shown as of/)
    .first()
    .waitFor()
  await page
    .getByRole('region', { name: 'Metrics' })
    .getByRole('row', { name: /^hub_hours/ })
    .waitFor()
})

it.each([
  ['light', PHONE],
  ['dark', { ...PHONE, theme: 'dark' as const }],
])('fits a phone in %s without scrolling sideways', async (_theme, screen) => {
  const page = await open('/jobs', screen)
  await page.getByRole('region', { name: 'Runs' }).getByText('3 tries failed').click()
  await page.getByRole('region', { name: 'Explain' }).locator('td.inputs').waitFor()
  expect(await sideways(page)).toBe(0)
})
