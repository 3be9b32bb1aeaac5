import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { DESK, openBrowser, PHONE, type Screen, visit } from './browser.ts'
import { startDemoSystem } from './demo-system.ts'

/**
 * Takes the pictures of `docs/images/`: `npm run screenshots -- [folder] [url-with-token]`.
 * Without an address it starts a demo fleet of its own and waits until the metrics of its history are made.
 */
const [folder = 'docs/images', address] = process.argv.slice(2)

type Picture = {
  readonly name: string
  readonly path: string
  readonly screen: Screen
  arrange(page: Page): Promise<void>
}

const METRICS_MAX_MS = 600_000
/** A day to show, the day before to compare it with, and one to spare. */
const FLEET = { hubs: 25, days: 3 }

const seen = (page: Page) =>
  page.getByRole('link', { name: 'Rows behind firmware' }).waitFor({ timeout: METRICS_MAX_MS })
const lakeSeen = (page: Page) => page.getByText('None: every log joined up with the table.').waitFor()
const jobsSeen = async (page: Page) => {
  await page.getByRole('link', { name: 'Rows behind runs' }).waitFor()
  await page.getByRole('region', { name: 'Explain' }).locator('td.inputs').waitFor()
}
const openOne = async (page: Page) => {
  await page.getByText('live', { exact: true }).waitFor()
  await page
    .getByRole('button', { name: /^Open the command of/ })
    .nth(2)
    .click()
  await page.getByText('Around it').waitFor()
  await page.locator('main .skeleton').first().waitFor({ state: 'detached' })
}
const tapOne = async (page: Page) => {
  await page.getByText('connected', { exact: true }).waitFor()
  const lamp = page.getByRole('region', { name: 'Kitchen lamp' })
  await lamp.getByRole('slider').fill('60')
  await lamp.getByText(/^60 % in/).waitFor()
  await lamp.getByRole('switch').click()
  await lamp.getByText(/^(on|off) in/).waitFor()
  if ((await lamp.getByRole('switch').getAttribute('aria-checked')) === 'true') return
  await lamp.getByRole('switch').click()
  await lamp.getByText(/^on in/).waitFor()
}
const runOne = async (page: Page) => {
  await page.getByRole('textbox', { name: 'SQL' }).waitFor()
  await page.getByRole('button', { name: 'Run' }).click()
  await page.getByRole('table', { name: 'Result' }).waitFor()
}

const PICTURES: readonly Picture[] = [
  { name: 'fleet-light-1440', path: '/fleet', screen: { ...DESK, height: 1220 }, arrange: seen },
  { name: 'fleet-dark-1440', path: '/fleet', screen: { ...DESK, theme: 'dark' }, arrange: seen },
  { name: 'fleet-light-375', path: '/fleet', screen: PHONE, arrange: seen },
  { name: 'remote-light-1440', path: '/remote?hub=demo-01', screen: DESK, arrange: tapOne },
  { name: 'remote-light-375', path: '/remote?hub=demo-01', screen: PHONE, arrange: tapOne },
  { name: 'remote-dark-375', path: '/remote?hub=demo-01', screen: { ...PHONE, theme: 'dark' }, arrange: tapOne },
  { name: 'commands-light-1440', path: '/commands', screen: DESK, arrange: openOne },
  { name: 'jobs-light-1440', path: '/jobs', screen: { ...DESK, height: 1220 }, arrange: jobsSeen },
  { name: 'lake-light-1440', path: '/lake', screen: { ...DESK, height: 1220 }, arrange: lakeSeen },
  { name: 'query-light-1440', path: '/query', screen: DESK, arrange: runOne },
]

const demo = address === undefined ? await startDemoSystem(FLEET) : undefined
const link = address ?? demo?.link ?? ''
const browser = await openBrowser()
try {
  mkdirSync(folder, { recursive: true })
  for (const { name, path, screen, arrange } of PICTURES) {
    const { page, close } = await visit(browser, link, { path, screen })
    await arrange(page)
    await page.screenshot({ path: `${folder}/${name}.png` })
    await close()
  }
} finally {
  await browser.close()
  await demo?.close()
}
