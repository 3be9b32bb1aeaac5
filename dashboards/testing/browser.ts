import { type Browser, chromium, type Page } from 'playwright-core'
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../infra/chromium.ts'
import { freshWebApp } from './web-app.ts'

/** A person at a browser: one page, and what its console complained of. */
export type Visit = {
  readonly page: Page
  /** Errors, warnings, exceptions and violations of the content security policy since the visit began. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

export type Screen = { readonly width: number; readonly height: number; readonly theme: 'light' | 'dark' }

export const DESK: Screen = { width: 1440, height: 900, theme: 'light' }
export const PHONE: Screen = { width: 375, height: 812, theme: 'light' }

/** A headless Chromium with a profile of its own, and the web app as its sources are now. Throws saying what is missing where there is none. */
export function openBrowser(): Promise<Browser> {
  freshWebApp()
  return chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS })
}

/** Opens the access link in a session of its own, in Berlin, then `path` when there is one. */
export async function visit(
  browser: Browser,
  link: string,
  options: { readonly path?: string; readonly screen?: Screen; readonly scale?: number } = {},
): Promise<Visit> {
  const { width, height, theme } = options.screen ?? DESK
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: options.scale ?? 1,
    colorScheme: theme,
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    complaints.push(`${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`))
  await page.goto(link)
  if (options.path !== undefined) await page.goto(new URL(options.path, link).href)
  return { page, complaints, close: () => context.close() }
}

/** Closes visits and empties their list; what their consoles complained of beyond what a test expects. */
export async function closeVisits(visits: Visit[], expected: readonly RegExp[] = []): Promise<readonly string[]> {
  const all = visits.splice(0)
  await Promise.all(all.map((one) => one.close()))
  return all.flatMap((one) => one.complaints).filter((text) => !expected.some((pattern) => pattern.test(text)))
}

/** How many pixels of the page are to be had by scrolling sideways. */
export function sideways(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth')
}
