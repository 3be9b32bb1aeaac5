/** The Commands page in a browser, on a running system: a real relay, and simulated hubs that really answer. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { closeVisits, DESK, openBrowser, PHONE, type Screen, sideways, type Visit, visit } from './testing/browser.ts'
import { type DemoSystem, startDemoSystem } from './testing/demo-system.ts'
import { startSample } from './testing/sample-server.ts'

let browser: Browser
let demo: DemoSystem
const visits: Visit[] = []

beforeAll(async () => {
  browser = await openBrowser()
  demo = await startDemoSystem({ hubs: 2, days: 0 })
  // A hub of the fleet that never connects.
  await demo.system.must(['registry', 'add', 'absent-01'])
})

afterEach(async () => {
  expect(await closeVisits(visits)).toEqual([])
})

afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

async function open(path: string, screen?: Screen, link = demo.link) {
  const one = await visit(browser, link, { path, ...(screen ? { screen } : {}) })
  visits.push(one)
  return one.page
}

const panel = (page: Page) => page.getByRole('region', { name: 'Send a command' })
const list = (page: Page) => page.getByRole('region', { name: 'List of commands' })
const trace = (page: Page) => page.getByRole('region', { name: 'Command', exact: true })

const button = (page: Page) => panel(page).getByRole('button', { name: 'Send' })

async function send(page: Page, to: { readonly hub: string; readonly device: string; readonly value: string }) {
  const form = panel(page)
  await form.getByLabel('Hub').fill(to.hub)
  await form.getByLabel('Device').fill(to.device)
  await form.getByLabel('Attribute').fill('powered')
  await form.getByLabel('Value').fill(to.value)
  await button(page).click()
}

it('sends a command, says how it ended in ms, and opens its waterfall', async () => {
  const page = await open('/commands')
  await page.getByText('live', { exact: true }).waitFor()
  await send(page, { hub: 'demo-01', device: 'kitchen-lamp', value: 'true' })
  await panel(page).getByText('done', { exact: true }).waitFor()
  expect(await panel(page).innerText()).toMatch(/\d ms browser’s clock/)

  await trace(page)
    .getByText(/^Done: kitchen-lamp confirmed [\d.]+ ms after the command was issued\.$/)
    .waitFor()
  const waterfall = trace(page).getByRole('img', { name: /^App waits/ })
  await trace(page).getByText('Hub and device').waitFor()
  const bars = (await waterfall.getAttribute('aria-label'))?.split('; ') ?? []
  expect(bars.map((bar) => bar.replace(/ [\d.]+ ms$/, ''))).toEqual([
    'App waits',
    'Relay: route',
    'Relay: send',
    'Network, there',
    'Hub and device',
    'Network, back',
  ])
  expect(await waterfall.innerText()).toMatch(/relay's clock[\s\S]*estimate[\s\S]*hub's clock/)
  // The bars after the first fill it: what the app waited is what its parts took.
  const [whole = 0, ...parts] = bars.map((bar) => Number(/([\d.]+) ms$/.exec(bar)?.[1]))
  const sum = parts.reduce((total, part) => total + part, 0)
  expect(Math.abs(whole - sum)).toBeLessThan(0.05 * whole + 0.5)

  // The address names it: the same story is told to whoever it is sent to, by the table when the relay has forgotten.
  await page.reload()
  await trace(page).getByText('Hub and device').waitFor()
  await trace(page).getByText('Around it').waitFor()
})

it.each([DESK, PHONE])(
  'keeps the button to send where it was, and the result in sight, at $width px',
  async (screen) => {
    const page = await open('/commands', screen)
    await page.getByText('live', { exact: true }).waitFor()
    await page.getByRole('button', { name: /^all \d/ }).waitFor()
    await page.getByText(/^data to/).waitFor()
    const before = await button(page).boundingBox()
    await send(page, { hub: 'demo-01', device: 'kitchen-lamp', value: 'true' })
    await trace(page).getByText('Around it').waitFor()
    expect(await button(page).boundingBox()).toEqual(before)
    const result = await panel(page).getByText('done', { exact: true }).boundingBox()
    expect(result?.y).toBeLessThan(screen.height)
  },
)

it('says offline at once for a hub that is not connected, and why for a device that there is not', async () => {
  const page = await open('/commands')
  await send(page, { hub: 'absent-01', device: 'kitchen-lamp', value: 'true' })
  await trace(page).getByText('Offline: nothing was sent (the hub is not connected).').waitFor()
  await send(page, { hub: 'demo-01', device: 'no-such-lamp', value: 'true' })
  await trace(page)
    .getByText(/^Rejected by the hub or no-such-lamp: /)
    .waitFor()
})

it('shows what others send as it happens, and nothing new while it is paused', async () => {
  const page = await open('/commands?hub=demo-02')
  await page.getByText('live', { exact: true }).waitFor()
  await demo.system.must(['send', 'demo-02', 'kitchen-lamp', 'brightness=11'])
  await list(page).getByText('brightness = 11', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('paused', { exact: true }).waitFor()
  await demo.system.must(['send', 'demo-02', 'kitchen-lamp', 'brightness=22'])
  // The count comes from the table: when it knows of both, the second is known here, and still not shown.
  await page.getByRole('button', { name: 'all 2', exact: true }).waitFor()
  expect(await list(page).getByText('brightness = 22').count()).toBe(0)
  await page.getByRole('button', { name: 'Resume' }).click()
  await list(page).getByText('brightness = 22').waitFor()
})

it('keeps its filters in the address', async () => {
  const page = await open('/commands')
  await list(page).getByRole('row').nth(2).waitFor()
  const hub = page.getByRole('region', { name: 'Commands', exact: true }).getByRole('combobox', { name: 'Hub' })
  await hub.fill('absent-01')
  await hub.press('Enter')
  await page.waitForURL(/hub=absent-01/)
  await page.getByRole('button', { name: /^offline/ }).click()
  await page.waitForURL(/outcome=offline/)
  const rows = list(page).getByRole('row')
  await expect.poll(() => rows.count()).toBe(2)
  expect(await rows.nth(1).innerText()).toMatch(/absent-01\s+kitchen-lamp[\s\S]*offline/)
  await page.reload()
  await expect.poll(() => rows.count()).toBe(2)
  expect(await hub.inputValue()).toBe('absent-01')
  await page.getByRole('button', { name: /^late/ }).click()
  await page.getByText('None was issued in this window that fits the filters.').waitFor()
})

it('leads to Query with the rows behind the list', async () => {
  const page = await open('/commands')
  await page.getByRole('link', { name: 'Rows behind commands' }).click()
  await page.getByRole('table', { name: 'Result' }).getByRole('cell', { name: 'absent-01' }).first().waitFor()
})

it('fits a phone, the panel to send above the list', async () => {
  const page = await open('/commands', PHONE)
  await list(page).getByRole('row').nth(2).waitFor()
  expect(await sideways(page)).toBe(0)
  await send(page, { hub: 'demo-01', device: 'kitchen-lamp', value: 'false' })
  await trace(page).getByText('Hub and device').waitFor()
  expect(await sideways(page)).toBe(0)
})

it('shows a phone fifty at a time, and the story of the one that is chosen however far down', async () => {
  const sample = await startSample({ now_ms: machineClock.now() })
  try {
    const page = await open('/commands', PHONE, `${sample.url}/?token=hearth_sample`)
    const cards = page.getByRole('button', { name: /^Open the command of/ })
    await page.getByRole('button', { name: 'Show more' }).waitFor()
    expect(await cards.count()).toBe(50)
    await page.getByRole('button', { name: 'Show more' }).click()
    await expect.poll(() => cards.count()).toBe(100)
    for (const card of [cards.nth(60), cards.nth(61)]) {
      await card.click()
      await trace(page).getByText('Around it').waitFor()
      const inSight = async () => {
        const [bar, story] = [await page.getByRole('banner').boundingBox(), await trace(page).boundingBox()]
        return bar !== null && story !== null && story.y > bar.height && story.y < PHONE.height / 2
      }
      await expect.poll(inSight).toBe(true)
    }
    expect(await closeVisits(visits)).toEqual([])
  } finally {
    await sample.close()
  }
})

it('says of nothing what to do, and of a relay that is gone that it is gone', async () => {
  const sample = await startSample({ now_ms: machineClock.now(), state: 'empty' })
  try {
    const page = await open('/commands', undefined, `${sample.url}/?token=hearth_sample`)
    await page.getByText('No commands here').waitFor()
    await page.getByText('relay gone').waitFor()
    await page.getByText('the relay does not answer').waitFor()
    expect(await closeVisits(visits)).toEqual([])
  } finally {
    await sample.close()
  }
})
