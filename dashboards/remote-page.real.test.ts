/** The Remote page in a browser, on a running system whose hubs and relay really die. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { factsOf, type Running, until } from '../cli/testing/system.ts'
import { closeVisits, DESK, openBrowser, PHONE, type Screen, sideways, type Visit, visit } from './testing/browser.ts'
import { type DemoSystem, startDemoSystem } from './testing/demo-system.ts'

const LIMIT_MS = 60_000
/** A socket that is refused or cut says so in the console. */
const CUT = /WebSocket connection to .*\/v1\/live|\/v1\/live|503 \(Service Unavailable\)|403 \(Forbidden\)/

let browser: Browser
let demo: DemoSystem
const visits: Visit[] = []

beforeAll(async () => {
  browser = await openBrowser()
  demo = await startDemoSystem({ hubs: 2, days: 1 })
})
afterEach(async () => {
  expect(await closeVisits(visits, [CUT])).toEqual([])
})
afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

async function open(path: string, screen: Screen = PHONE) {
  const one = await visit(browser, demo.link, { path, screen })
  visits.push(one)
  return one.page
}

const lamp = (page: Page) => page.getByRole('switch', { name: /^Kitchen lamp/ })
const tile = (page: Page) => page.getByRole('region', { name: 'Kitchen lamp' })
const connected = (page: Page) => page.getByText('connected', { exact: true }).waitFor({ timeout: LIMIT_MS })

/** Taps, and resolves with whether it is said to be on when the answer is there. */
async function tap(page: Page): Promise<boolean> {
  await lamp(page).click()
  await tile(page)
    .getByText(/^(on|off) in [\d.]+ ms$/)
    .waitFor()
  return (await lamp(page).getAttribute('aria-checked')) === 'true'
}

/** What the hub's journal and the lamp say of it, by another way than the page's. */
async function storedPower(): Promise<number> {
  const sql =
    "select arg_max(value, event_time) from readings where hub_id = 'demo-01' and device_id = 'kitchen-lamp' and attribute = 'powered'"
  return Number((await demo.system.csv(sql))[0]?.[0])
}

it.each([DESK, PHONE])(
  'turns on the lamp of a home with one tap, and shows the milliseconds and where they went, at $width px',
  async (screen) => {
    const page = await open('/remote?hub=demo-01', screen)
    await connected(page)
    await lamp(page).waitFor()
    const was = (await lamp(page).getAttribute('aria-checked')) === 'true'
    expect(await tap(page)).toBe(!was)
    await until('the table has what the lamp said', LIMIT_MS, async () => (await storedPower()) === (was ? 0 : 1))

    const story = page.getByRole('region', { name: 'Last tap' })
    expect(await story.innerText()).toMatch(/[\d.]+\s+ms from tap to answer/)
    const parts = (await story.getByRole('img').getAttribute('aria-label'))?.split('; ') ?? []
    expect(parts.map((part) => part.replace(/ [\d.]+ ms$/, ''))).toEqual([
      ...['To the relay and back', 'Relay', 'To the hub and back', 'Hub and device'],
    ])
    expect(await sideways(page)).toBe(0)

    // What it became is what a page that is opened later knows at once.
    await page.reload()
    await lamp(page).waitFor()
    expect((await lamp(page).getAttribute('aria-checked')) === 'true').toBe(!was)
    await story.waitFor()
  },
)

it('shows what others do, as it happens', async () => {
  const page = await open('/remote?hub=demo-01')
  await connected(page)
  const checked = async () => (await lamp(page).getAttribute('aria-checked')) === 'true'
  await lamp(page).waitFor()
  const was = await checked()
  await demo.system.must(['send', 'demo-01', 'kitchen-lamp', `powered=${was ? 0 : 1}`])
  await until('the page shows it', LIMIT_MS, async () => (await checked()) === !was)
})

it('goes by keyboard: switch, brightness, and a lock that asks before it opens', async () => {
  // A lock may be silent for days; a remote shows what has spoken.
  await demo.system.must(['send', 'demo-02', 'front-door-lock', 'locked=1'])
  const page = await open('/remote?hub=demo-02', DESK)
  await connected(page)
  await lamp(page).focus()
  await page.keyboard.press('Space')
  await tile(page)
    .getByText(/^(on|off) in [\d.]+ ms$/)
    .waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('End')
  await tile(page)
    .getByText(/^100 % in [\d.]+ ms$/)
    .waitFor()
  const lock = page.getByRole('region', { name: 'Front door lock' })
  await lock.getByRole('switch').focus()
  await page.keyboard.press('Enter')
  expect(await lock.getByText(/unlocked in/).count()).toBe(0)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await lock.getByText(/^unlocked in [\d.]+ ms$/).waitFor()
  // The focus is where the question came from, whoever answered it.
  const focused = () => lock.getByRole('switch').and(page.locator(':focus')).count()
  expect(await focused()).toBe(1)
  await page.keyboard.press('Enter')
  await lock.getByText(/^locked in [\d.]+ ms$/).waitFor()
  const question = lock.getByRole('button', { name: 'Unlock' })
  await page.keyboard.press('Enter')
  await lock.getByRole('button', { name: 'Cancel' }).click()
  expect(await question.count()).toBe(0)
  expect(await focused()).toBe(1)
  await page.keyboard.press('Enter')
  await question.focus()
  await question.waitFor({ state: 'detached', timeout: 15_000 })
  expect(await focused()).toBe(1)
})

it('adds up quick taps on a thermostat', async () => {
  const page = await open('/remote?hub=demo-01')
  await connected(page)
  const thermostat = page.getByRole('region', { name: 'Thermostat', exact: true })
  const degrees = async () => Number.parseFloat(await thermostat.locator('.target b').innerText())
  await thermostat.getByRole('button', { name: 'Thermostat: warmer' }).waitFor()
  const was = await degrees()
  // Quicker than any answer, each in a turn of its own.
  await page.evaluate(`(async () => {
    for (let taps = 0; taps < 3; taps++) {
      document.querySelector('[aria-label="Thermostat: warmer"]').click()
      await new Promise((next) => setTimeout(next))
    }
  })()`)
  await until('the last wish is done', LIMIT_MS, async () => (await degrees()) === Math.min(30, was + 1.5))
})

it('opens the home of last time, and switches it, before the list of hubs is there', async () => {
  const page = await open('/remote?hub=demo-02')
  await connected(page)
  await page.getByRole('option', { name: 'demo-01' }).waitFor({ state: 'attached' })
  const wait = Promise.withResolvers<void>()
  await page.route('**/api/hubs', async (route) => {
    await wait.promise
    await route.continue()
  })
  await page.goto(new URL('/remote', demo.link).href)
  await connected(page)
  await tap(page)
  expect(await page.getByRole('combobox', { name: 'Hub' }).inputValue()).toBe('demo-02')
  wait.resolve()
  await page.getByRole('option', { name: 'demo-01' }).waitFor({ state: 'attached' })
})

it('keeps its tiles when the access has ended, and says whom to ask', async () => {
  const page = await open('/remote?hub=demo-01')
  await connected(page)
  await lamp(page).waitFor()
  const body = { kind: 'unauthorized', message: 'the token of guest was revoked', outcome: 'did-not-happen' }
  await page.route('**/api/hubs**', (route) => route.fulfill({ status: 403, json: body }))
  await page
    .getByText('Your access has ended; ask whoever gave you the link for a new one.')
    .waitFor({ timeout: LIMIT_MS })
  expect(await lamp(page).isVisible()).toBe(true)
  expect(await page.getByRole('main').innerText()).not.toContain('hearth up')
})

it('says that a hub is offline when it dies, and that nothing was sent', async () => {
  const hub: Running = demo.system.start(['hub', '--simulated', '1'])
  await hub.untilSaid(/connected to the relay/, LIMIT_MS)
  await demo.system.must(['send', 'hub-01', 'kitchen-lamp', 'powered=1'])
  const page = await open('/remote?hub=hub-01')
  await connected(page)
  await tap(page)
  await hub.killTree()
  await page.getByText(/^hub-01 is not connected: /).waitFor({ timeout: LIMIT_MS })
  const before = await lamp(page).getAttribute('aria-checked')
  await lamp(page).click()
  await tile(page).getByText('Offline: nothing was sent (the hub is not connected)').waitFor()
  expect(await page.evaluate<string>("getComputedStyle(document.querySelector('.tiles.offline .tile')).opacity")).toBe(
    '1',
  )
  expect(await lamp(page).getAttribute('aria-checked')).toBe(before)
})

it('comes back by itself after the relay was killed', async () => {
  const page = await open('/remote?hub=demo-01')
  await connected(page)
  process.kill(Number(factsOf(demo.system, 'relay')['pid']), 'SIGKILL')
  await page.getByText(/^Reconnecting: /).waitFor({ timeout: LIMIT_MS })
  await connected(page)
  await until('a tap is answered', LIMIT_MS, async () => {
    await lamp(page).click()
    const answered = tile(page).getByText(/^(on|off) in [\d.]+ ms$/)
    return answered.waitFor({ timeout: 6_000 }).then(
      () => true,
      () => false,
    )
  })
})

it('lets no page of somebody else use the cookie, nor anybody without one', async () => {
  const { origin, searchParams } = new URL(demo.link)
  const own = readFileSync(join(demo.system.home, 'run', 'token'), 'utf8').trim()
  const cookie = `hearth_session=${searchParams.get('token')}`
  const first = (headers: Readonly<Record<string, string>>) =>
    new Promise<string>((resolve) => {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/v1/live`, { headers })
      const tell = (text: string) => {
        socket.terminate()
        resolve(text)
      }
      socket.on('message', (data: Buffer) => tell(String(JSON.parse(data.toString('utf8')).type)))
      socket.on('error', (error) => tell(error.message))
    })
  expect(await first({ cookie, origin })).toBe('hello')
  expect(await first({ authorization: `Bearer ${own}` })).toBe('hello')
  const refused: readonly Readonly<Record<string, string>>[] = [
    { cookie, origin: 'https://evil.example' },
    { cookie, origin, host: 'evil.example' },
    { cookie, origin, 'sec-fetch-site': 'cross-site' },
    { cookie: 'hearth_session=hearth_nobody', origin },
    { origin },
  ]
  for (const headers of refused) expect(await first(headers), JSON.stringify(headers)).toContain('401')
})
