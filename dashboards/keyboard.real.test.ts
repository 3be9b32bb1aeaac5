/** The pages by keyboard alone, as for somebody who has no mouse or no hand free. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import type { Dashboards } from './server.ts'
import { closeVisits, openBrowser, type Visit, visit } from './testing/browser.ts'
import { startSample } from './testing/sample-server.ts'

let browser: Browser
let server: Dashboards
const visits: Visit[] = []

beforeAll(async () => {
  browser = await openBrowser()
  server = await startSample({ now_ms: machineClock.now() })
})

afterEach(async () => {
  // The sample has no relay: a browser tells its console of each WebSocket that it cannot have.
  expect(await closeVisits(visits, [/\/v1\/live/])).toEqual([])
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
})

async function open(path: string) {
  const one = await visit(browser, `${server.url}/?token=hearth_sample`, { path })
  visits.push(one)
  await one.page.getByRole('heading', { level: 1 }).waitFor()
  return one.page
}

const title = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()

/** The accessible names that Tab comes by, until `last` or as many as `most`. */
async function tabbed(page: Page, last: string, most = 60): Promise<string[]> {
  const names: string[] = []
  while (names.length < most && names.at(-1) !== last) {
    await page.keyboard.press('Tab')
    names.push(
      await page.evaluate<string>(
        `(() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.labels?.[0]?.innerText.trim() || e.innerText.trim() || e.tagName })()`,
      ),
    )
  }
  return names
}

it('goes to each page by g and its letter, with the time range kept', async () => {
  const page = await open('/fleet?range=6h')
  for (const [key, name] of [
    ['r', 'Remote'],
    ['c', 'Commands'],
    ['j', 'Jobs'],
    ['l', 'Lake'],
    ['q', 'Query'],
    ['f', 'Fleet'],
  ] as const) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await title(page, name)
    expect(new URL(page.url()).searchParams.get('range')).toBe('6h')
  }
})

it('lists its keys at ?, and closes at Escape', async () => {
  const page = await open('/fleet')
  await page.keyboard.press('?')
  const dialog = page.getByRole('dialog', { name: 'Keyboard' })
  await dialog.getByText('go to Commands').waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
})

it('puts the cursor into the search of the page at /, and types letters there as letters', async () => {
  const page = await open('/commands')
  const hub = page.getByRole('region', { name: 'Commands', exact: true }).getByRole('combobox', { name: 'Hub' })
  await hub.waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('gf?')
  expect(await hub.inputValue()).toBe('gf?')
  await title(page, 'Commands')
  await page.goto(`${server.url}/query`)
  await page.getByRole('textbox', { name: 'SQL' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('luck')
  expect(await page.getByPlaceholder('Search tables and columns').inputValue()).toBe('luck')
  await page.goto(`${server.url}/fleet`)
  await page.getByRole('link', { name: 'demo-07' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('demo-1')
  await page.getByRole('link', { name: 'demo-07' }).waitFor({ state: 'detached' })
  expect(await page.getByRole('link', { name: /^demo-1/ }).count()).toBeGreaterThan(2)
})

it('leaves a field to whoever is in it when answers arrive', async () => {
  const page = await open('/query')
  for (const [region, typed] of [
    ['Commands', 'demo-1'],
    ['Send a command', ''],
  ] as const) {
    const wait = Promise.withResolvers<void>()
    await page.route('**/api/hubs', async (route) => {
      await wait.promise
      await route.continue()
    })
    await page.goto(`${server.url}/commands`)
    const hub = page.getByRole('region', { name: region, exact: true }).getByRole('combobox', { name: 'Hub' })
    await hub.focus()
    await page.keyboard.type(typed)
    wait.resolve()
    await page.locator('#send-devices option').first().waitFor({ state: 'attached' })
    expect(await hub.inputValue(), region).toBe(typed)
    await page.keyboard.type('7')
    await page.keyboard.press('Tab')
    expect(await hub.inputValue(), region).toBe(`${typed}7`)
    await page.unroute('**/api/hubs')
  }
})

it('moves the window by [ and ]', async () => {
  const page = await open('/fleet?from=2026-11-01T00:00:00.000Z&to=2026-11-02T00:00:00.000Z')
  await page.keyboard.press('[')
  await page.waitForURL(/from=2026-10-31T00/)
  await page.keyboard.press(']')
  await page.waitForURL(/from=2026-11-01T00/)
})

it('comes by Tab first to the pages, then the time range, then the figures, each seen to have the focus', async () => {
  const page = await open('/fleet')
  await page.getByRole('link', { name: 'Rows behind worst hubs' }).waitFor()
  const names = await tabbed(page, 'Rows behind Tap to light')
  expect(names.slice(0, 6)).toEqual(['Fleet', 'Remote', 'Commands', 'Jobs', 'Lake', 'Query'])
  const order = [
    'One window back',
    'Last 24 hours',
    'One window forward',
    'What is availability?',
    'Rows behind Availability',
  ]
  expect(names.filter((name) => order.includes(name))).toEqual(order)
  expect(await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
})

it('chooses a time range, opens a definition and a trace with Enter', async () => {
  const page = await open('/fleet')
  await page.getByRole('link', { name: 'demo-07' }).waitFor()
  await tabbed(page, 'Last 24 hours')
  await page.keyboard.press('Enter')
  await tabbed(page, 'Last 6 hours')
  await page.keyboard.press('Enter')
  await page.waitForURL(/range=6h/)
  await tabbed(page, 'What is success?')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Definition' }).getByText('Command success').waitFor()
  await page.keyboard.press('Escape')
  await page.goto(`${server.url}/commands`)
  await page
    .getByRole('button', { name: /^Open the command of/ })
    .first()
    .waitFor()
  await tabbed(page, 'List of commands')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: 'Command', exact: true }).getByText('Around it').waitFor()
})

it('runs a query and leaves the editor', async () => {
  const page = await open('/query')
  const editor = page.getByRole('textbox', { name: 'SQL' })
  await editor.waitFor()
  await editor.focus()
  await page.keyboard.press('Control+a')
  await page.keyboard.type('SELECT 5 AS five')
  await page.keyboard.press('Control+Enter')
  await page.getByRole('table', { name: 'Result' }).getByRole('cell', { name: '5' }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  expect(await page.getByRole('button', { name: 'Run' }).evaluate((button) => button.matches(':focus'))).toBe(true)
})
