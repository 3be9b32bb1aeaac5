/** The pages when the server goes away and comes back: what was shown stays, marked as old, until there is new. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { closeVisits, openBrowser, type Visit, visit } from './testing/browser.ts'
import { startSample } from './testing/sample-server.ts'

let browser: Browser

beforeAll(async () => {
  browser = await openBrowser()
})

afterAll(() => browser?.close())

/**
 * Of a request that nobody answered the browser itself tells, and of one that a server which is closing, or has only
 * just begun and is late with the lake, refused for now; anything else on the console is a fault.
 */
const UNANSWERED =
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|status of 503/

const toast = (page: Page) => page.getByText('The server does not answer. What is shown is old; trying again.')

it('keep showing what they had with its age, and recover by themselves', async () => {
  let server = await startSample({ now_ms: machineClock.now() })
  const link = `${server.url}/?token=hearth_sample`
  const visits: Visit[] = []
  try {
    const open = async (path: string) => {
      const one = await visit(browser, link, { path })
      visits.push(one)
      return one.page
    }
    const fleet = await open('/fleet')
    const commands = await open('/commands')
    const lake = await open('/lake')
    const query = await open('/query?sql=SELECT+41+%2B+1+AS+answer&run=1')
    const availability = fleet.getByRole('region', { name: 'Availability', exact: true })
    await availability.getByText(/against/).waitFor()
    const shown = await availability.locator('.value').innerText()
    await commands
      .getByRole('button', { name: /^Open the command of/ })
      .nth(5)
      .waitFor()
    await query.getByRole('cell', { name: '42' }).waitFor()
    const versions = lake.getByRole('region', { name: 'Versions' })
    await versions
      .getByRole('row', { name: /batches in/ })
      .first()
      .waitFor()

    expect(visits.flatMap(({ complaints }) => complaints)).toEqual([])
    await server.close()
    for (const page of [fleet, commands, lake, query]) {
      await page.getByText(/^last answer \d+ s ago$/).waitFor()
    }
    await fleet.getByText(/^The fleet’s figures could not be read: .* Shown as of [\d:]+, \d+ s ago\.$/).waitFor()
    expect(await availability.locator('.value').innerText()).toBe(shown)
    expect(await fleet.getByRole('img', { name: 'Availability over time' }).locator('canvas').count()).toBe(1)
    await lake.getByText(/^The lake could not be read: .* Shown as of [\d:]+, \d+ s ago\.$/).waitFor()
    expect(await versions.getByRole('row').count()).toBeGreaterThan(10)
    expect(await lake.getByRole('alert').count()).toBe(1)
    await commands.getByText('server gone').waitFor()
    await commands.getByText(/^The list of commands could not be read: .* Shown as of/).waitFor()
    expect(await commands.getByRole('button', { name: /^Open the command of/ }).count()).toBeGreaterThan(100)
    for (const page of [fleet, commands, lake]) await toast(page).waitFor({ state: 'hidden' })
    await toast(query).waitFor()
    const panel = commands.getByRole('region', { name: 'Send a command' })
    await panel.getByLabel('Device').fill('kitchen-lamp')
    await panel.getByRole('button', { name: 'Send' }).click()
    await panel.getByText('The server does not answer. Is hearth up running?').waitFor()
    expect(await panel.getByRole('alert').locator('code').innerText()).toBe('hearth up')
    await query.getByRole('button', { name: 'Run' }).click()
    await query.getByText('The server does not answer. Is `hearth up` running?').waitFor()

    server = await startSample({ now_ms: machineClock.now(), port: server.port })
    await fleet.getByRole('alert').first().waitFor({ state: 'detached' })
    await commands.getByRole('alert').first().waitFor({ state: 'detached' })
    await lake.getByRole('alert').first().waitFor({ state: 'detached' })
    await commands.getByText('server gone').waitFor({ state: 'detached' })
    await query.getByText(/^data to/).waitFor()
    await query.getByRole('button', { name: 'Run' }).click()
    await query.getByRole('cell', { name: '42' }).waitFor()
    for (const page of [fleet, commands, lake, query]) {
      await page.getByText('The server does not answer.').waitFor({ state: 'detached' })
      await page.getByText(/^data to/).waitFor()
    }
    expect(await closeVisits(visits, [UNANSWERED])).toEqual([])
  } finally {
    await closeVisits(visits)
    await server.close()
  }
})

it('say when opened with no session, or with a link that is not known, what to do', async () => {
  const server = await startSample({ now_ms: machineClock.now() })
  try {
    for (const address of ['/fleet', '/commands', '/lake', '/query', '/fleet?token=hearth_revoked']) {
      const one = await visit(browser, `${server.url}${address}`)
      await one.page.getByText('No session in this browser').waitFor()
      expect(await one.page.getByRole('main').innerText()).toContain('Hearth is ready')
      expect(new URL(one.page.url()).search).toBe('')
      expect(await closeVisits([one], [/status of 403/])).toEqual([])
    }
  } finally {
    await server.close()
  }
})
