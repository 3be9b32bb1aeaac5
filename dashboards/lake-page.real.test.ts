/** The Lake page in a browser, over sample tables: what it shows, where its links lead, what it says of nothing. */
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

const FACTS = ['Events', 'Size', 'Newest commit', 'Largest lag', 'Small files', 'Dead letters', 'Losses']

describe('with data', () => {
  it('says at the top what there is to look at, and shows each figure with its meaning', async () => {
    const page = await open('/lake')
    await page
      .getByText(
        'To look at: 1 log cut short, perhaps without loss; 1 log replaced, perhaps without loss; dead letters in this window.',
      )
      .waitFor()
    const values = { Events: '21.3 M', Size: '414', 'Largest lag': '2.70', 'Small files': '214', Losses: '0' }
    for (const name of FACTS) {
      const fact = page.getByRole('region', { name, exact: true })
      await fact.getByRole('button', { name: /^What is/ }).click()
      await page.getByRole('dialog', { name: 'Definition' }).waitFor()
      await page.keyboard.press('Escape')
      expect(await fact.innerText(), name).toContain(new Map(Object.entries(values)).get(name) ?? '')
    }
  })

  it('says first that a bucket is stopped, and what to do', async () => {
    const server = await startSample({ now_ms: machineClock.now(), stopped: 3 })
    try {
      const page = await open('/lake', undefined, server)
      await page.getByText('To look at: bucket 3 is stopped; 1 log cut short,').waitFor()
      await page.getByText('Why, and what to do: hearth doctor.').waitFor()
      await page
        .getByRole('region', { name: 'Buckets' })
        .getByRole('row', { name: /^3 stopped/ })
        .waitFor()
    } finally {
      await server.close()
    }
  })

  it('tells of each table, and of the one that is chosen its files and what its versions did', async () => {
    const page = await open('/lake')
    const tables = page.getByRole('region', { name: 'Tables' })
    await tables.getByRole('row', { name: /^events.*414 MB.*250.*4 812.*\d\d min ago.*3 h ago/ }).waitFor()
    const versions = page.getByRole('region', { name: 'Versions' })
    await versions.getByRole('row', { name: /^4 812 .* batches in 4 files/ }).waitFor()
    await versions
      .getByRole('cell', { name: /; 61 duplicates left out$/ })
      .first()
      .waitFor()
    await versions.getByRole('button', { name: 'Show the newest 200' }).click()
    await versions.getByRole('cell', { name: '38 files joined into 1' }).first().waitFor()
    await versions.getByRole('cell', { name: 'vacuum: older versions are let go' }).first().waitFor()
    expect(await page.getByRole('region', { name: 'Buckets' }).getByRole('row').count()).toBe(5)

    await tables.getByRole('link', { name: 'hub_hours' }).click()
    await page.getByText('960 files of hub_hours').waitFor()
    await page.getByText('what each commit to hub_hours did, newest first').waitFor()
    expect(new URL(page.url()).searchParams.get('table')).toBe('hub_hours')
    expect(await page.getByRole('region', { name: 'Buckets' }).count()).toBe(0)
  })

  it('says of dead letters why, and what to do', async () => {
    const page = await open('/lake')
    const dead = page.getByRole('region', { name: 'Dead letters by reason' })
    await dead.getByRole('row', { name: /^an event of kind reading has an attribute.* 32 20 demo-02/ }).waitFor()
    expect(await dead.innerText()).toContain('hearth deadletters replay')
  })

  it('tells a gap, a loss that was accepted and a log that was replaced apart, and what to do about each', async () => {
    const page = await open('/lake')
    const losses = page.getByRole('region', { name: 'Losses of all time' })
    await losses.getByRole('row', { name: / gap 2 the log ends at 0, .* 40 211 nothing$/ }).waitFor()
    await losses.getByRole('row', { name: / accepted 3 anna accepted .* 39 100 39 141 to 39 169$/ }).waitFor()
    await losses
      .getByRole('row', { name: / new log 0, 1 Bucket 0: log .* took its place; .* of each its own of each its own$/ })
      .waitFor()
    expect(await losses.getByRole('row').count()).toBe(4)
    const cards = await page.getByRole('heading', { level: 2 }).allInnerTexts()
    expect(cards.slice(cards.indexOf('Losses'))).toEqual(['Losses', 'Dead letters'])
    expect(await losses.getByRole('definition').allInnerTexts()).toEqual([
      expect.stringMatching(
        /not in the table; hearth verify counts[^]*put the newer of lake and log back[^]*hearth lake accept-loss/,
      ),
      expect.stringMatching(/There is nothing more to do/),
      expect.stringMatching(/no bucket is stopped. Perhaps nothing is lost[^]*hearth verify counts/),
    ])
  })

  it('leads from its numbers to Query with SQL that runs', async () => {
    const page = await open('/lake')
    const links = page.locator('main').getByRole('link')
    await page.getByRole('link', { name: 'Rows behind losses of all time' }).waitFor()
    const addresses = await links.evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''))
    const queries = addresses.filter((address) => address.startsWith('/query?'))
    expect(queries.length).toBeGreaterThan(12)
    for (const address of queries) {
      await page.goto(new URL(address, full.url).href)
      await page.getByRole('table', { name: 'Result' }).getByRole('cell').first().waitFor()
    }
  })

  it('asks for the dead letters of the window that is chosen', async () => {
    const page = await open('/lake?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z')
    await page.getByText('None: every event that came in this window could be read.').waitFor()
    await page
      .getByText('To look at: 1 log cut short, perhaps without loss; 1 log replaced, perhaps without loss.')
      .waitFor()
  })
})

it('says of nothing why, and what to do', async () => {
  const page = await open('/lake', undefined, empty)
  const note = page.getByRole('status').filter({ hasText: 'The lake is empty' })
  await note.waitFor()
  expect(await note.innerText()).toContain('hearth up --demo')
})

it.each([
  ['light', PHONE],
  ['dark', { ...PHONE, theme: 'dark' as const }],
])('fits a phone in %s without scrolling sideways', async (_theme, screen) => {
  const page = await open('/lake', screen)
  await page
    .getByRole('region', { name: 'Versions' })
    .getByRole('row', { name: /batches in/ })
    .first()
    .waitFor()
  await page.getByRole('region', { name: 'Losses of all time' }).getByText('hearth verify').first().waitFor()
  expect(await sideways(page)).toBe(0)
})
