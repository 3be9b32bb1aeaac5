import { mkdirSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { machineClock } from '../cli/machine.ts'
import { startSample } from './sample-server.ts'

/**
 * Takes the pictures of `docs/images/`: `node dashboards/screenshots.ts [folder] [url-with-token]`.
 * Without an address it shows sample data; with one, a running system's own.
 */
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
export const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

const PAGES = [
  { name: 'fleet', path: '/fleet' },
  { name: 'commands', path: '/commands', open: 'tbody tr:nth-child(3) .open' },
  { name: 'query', path: '/query', run: true },
] as const

const VIEWS = [
  { name: 'light', width: 1440, height: 900, theme: 'light' },
  { name: 'dark', width: 1440, height: 900, theme: 'dark' },
  { name: 'phone', width: 375, height: 812, theme: 'light' },
  { name: 'phone-dark', width: 375, height: 812, theme: 'dark' },
] as const

const [folder = 'docs/images', address] = process.argv.slice(2)
const sample = address === undefined ? await startSample({ now_ms: machineClock.now() }) : undefined
const browser = await chromium.launch({ executablePath: CHROMIUM, args: BROWSER_ARGUMENTS })
try {
  mkdirSync(folder, { recursive: true })
  await takePictures(browser, address ?? `${sample?.url}/?token=hearth_sample`)
} finally {
  await browser.close()
  await sample?.close()
}

async function takePictures(browser: Browser, link: string): Promise<void> {
  for (const view of VIEWS) {
    const context = await browser.newContext({
      viewport: { width: view.width, height: view.height },
      deviceScaleFactor: 2,
      colorScheme: view.theme,
      timezoneId: 'Europe/Berlin',
    })
    const page = await context.newPage()
    await page.goto(link)
    for (const target of PAGES) {
      await page.goto(`${new URL(link).origin}${target.path}`)
      await page.waitForSelector('h1')
      if ('run' in target) {
        await page.waitForSelector('.cm-content')
        await page.getByRole('button', { name: 'Run' }).click()
        await page.waitForSelector('.grid')
      }
      if ('open' in target) {
        await page.click(target.open)
        await page.waitForSelector('.waterfall')
      }
      await page.waitForSelector('main .skeleton', { state: 'detached' })
      await page.screenshot({
        path: `${folder}/${target.name}-${view.name}.png`,
        fullPage: view.width < 600 || target.name === 'fleet',
      })
    }
    await context.close()
  }
}
