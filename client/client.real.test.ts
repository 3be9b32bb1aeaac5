/** The client against real relay processes, over a proxy that cuts, swallows and refuses. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openSystem, opsOf, type Running, type System, until } from '../cli/testing/system.ts'
import { startTcpProxy, type TcpProxy } from '../infra/tcp-proxy.ts'
import {
  connect,
  type HearthClient,
  type HearthEvent,
  type SettledReport,
  type WebSocketConstructor,
} from './client.ts'

const START_MS = 60_000
/** Long enough for a lost connection to be found and another made. */
const DEADLINE_MS = 30_000
const LAMP = { hub: 'hub-01', device: 'kitchen-lamp' } as const

let system: System
let relay: Running
let hub: Running
let proxy: TcpProxy
let token: string
let client: HearthClient

beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  relay = system.start(['relay'])
  await relay.untilSaid(/"event":"ready"/, START_MS)
  await system.start(['ingest']).untilSaid(/"event":"ready"/, START_MS)
  hub = system.start(['hub', '--simulated', '1'])
  await hub.untilSaid(/connected to the relay/, START_MS)
  token = JSON.parse(await system.must(['registry', 'token', 'create', 'phone', '--json'])).token
})
beforeEach(async () => {
  proxy = await startTcpProxy({ port: system.ports.app })
  client = connect({ url: `http://127.0.0.1:${proxy.port}`, token })
})
afterEach(async () => {
  client.close()
  await proxy[Symbol.asyncDispose]()
})
afterAll(() => system?.[Symbol.asyncDispose]())

const on = (by: HearthClient, powered = true): Promise<SettledReport> =>
  by.send({ ...LAMP, set: { powered } }, { deadline_ms: DEADLINE_MS })
const state = (by: HearthClient, wanted: string) =>
  until(`the connection is ${wanted}`, START_MS, () => by.connection.state === wanted)

/** Commands that the relay issued, and repeats that it knew again, since its start. */
async function counts(): Promise<{ readonly issued: number; readonly repeats: number }> {
  const text = await (await fetch(`${opsOf(system, 'relay')}/metrics`)).text()
  const figure = (name: string) => Number(new RegExp(`^${name}\\{?[^ ]* (\\S+)$`, 'm').exec(text)?.[1])
  return {
    issued: figure('hearth_relay_commands_issued_total'),
    repeats: figure('hearth_relay_commands_repeated_total'),
  }
}

function blockedSocket(): never {
  throw new Error('not on this network')
}

/** What the relay issued while `act` ran. */
async function issuedBy(act: () => Promise<unknown>): Promise<number> {
  const { issued } = await counts()
  await act()
  return (await counts()).issued - issued
}

it('sends a command over its WebSocket and tells how it ended, with its stages', async () => {
  await state(client, 'open')
  const report = await on(client)
  expect(report).toMatchObject({ hub: 'hub-01', device: 'kitchen-lamp', set: { powered: true }, outcome: 'done' })
  expect(report.stages.map(({ stage }) => stage)).toEqual(
    expect.arrayContaining(['issued', 'routed', 'sent', 'executed', 'acked', 'done']),
  )
  expect(await client.find(report.command)).toMatchObject({ app: 'phone', outcome: 'done' })
  expect(await client.hubs()).toMatchObject([{ hub: 'hub-01' }])
})

describe('over a connection that is lost, a command is carried out once', () => {
  it('before there was any: it goes when there is one', async () => {
    proxy.refuse = true
    proxy.cut()
    await state(client, 'waiting')
    const answer = on(client)
    await state(client, 'waiting')
    proxy.refuse = false
    expect(await issuedBy(() => answer)).toBe(1)
    expect((await answer).outcome).toBe('done')
  })

  it('on the way there: the relay never saw it', async () => {
    await state(client, 'open')
    proxy.swallow = true
    const before = await counts()
    const answer = on(client)
    await state(client, 'waiting')
    expect((await counts()).issued).toBe(before.issued)
    proxy.swallow = false
    expect((await answer).outcome).toBe('done')
    expect((await counts()).issued).toBe(before.issued + 1)
  })

  it('on the way back: the relay did it, and nobody heard', async () => {
    await state(client, 'open')
    proxy.deaf = true
    const before = await counts()
    const answer = on(client)
    await until('the relay issued it', START_MS, async () => (await counts()).issued > before.issued)
    proxy.cut()
    proxy.deaf = false
    expect((await answer).outcome).toBe('done')
    const { issued, repeats } = await counts()
    expect([issued - before.issued, repeats - before.repeats]).toEqual([1, 1])
  })

  it('at any moment, of many at once', async () => {
    await state(client, 'open')
    const reports: SettledReport[] = []
    const issued = await issuedBy(async () => {
      const all = Array.from({ length: 60 }, async (_, index) => {
        // To a device with a radio: most are somewhere on their way whenever the connection is cut.
        const device = ['living-lamp', 'bedroom-lamp', 'kitchen-lamp'][index % 3] ?? ''
        reports.push(await client.send({ hub: 'hub-01', device, set: { brightness: index } }, { deadline_ms: 60_000 }))
        if (index % 4 === 0) proxy.cut()
      })
      await Promise.all(all.map((one) => one.catch((error: unknown) => error))).then((ends) =>
        expect(ends.filter((end) => end !== undefined)).toEqual([]),
      )
    })
    expect(new Set(reports.map(({ command }) => command)).size).toBe(60)
    expect(issued).toBe(60)
    // The hub's own word, from the table: each that it carried out it carried out once.
    const done = reports.filter(({ outcome }) => outcome === 'done').map(({ command }) => `'${command}'`)
    const executed = async () =>
      (
        await system.csv(`select count(*), count(distinct command_id) from events
          where source_id = 'hub-01' and stage = 'executed' and command_id in (${done.join()})`)
      )[0]?.map(Number)
    await until('the table has them', START_MS, async () => ((await executed())?.[1] ?? 0) >= done.length)
    expect(await executed()).toEqual([done.length, done.length])
  })

  it('over a relay that is killed while the device is at work', async () => {
    await state(client, 'open')
    const heard: HearthEvent[] = []
    client.subscribe({ hub: 'hub-01' }, (event) => heard.push(event))
    const answer = client.send(
      { hub: 'hub-01', device: 'living-lamp', set: { powered: true } },
      { deadline_ms: DEADLINE_MS },
    )
    await until('it was issued', START_MS, () => heard.some(({ type }) => type === 'issued'))
    await relay.killTree()
    relay = system.start(['relay'])
    await relay.untilSaid(/"event":"ready"/, START_MS)
    const report = await answer
    // The relay that comes after it takes up what it finds in the ledger, and never sends it again.
    expect((await counts()).issued).toBe(0)
    expect(['done', 'late', 'expired', 'offline']).toContain(report.outcome)
    await until('the gap was told', START_MS, () => heard.some(({ type }) => type === 'gap'))
    await until('the hub is back', START_MS, async () => (await client.hubs()).length === 1)
    expect((await on(client)).outcome).toBe('done')
  })

  it('over HTTP too, where no WebSocket can be had', async () => {
    using without = connect({
      ...{ url: `http://127.0.0.1:${proxy.port}`, token },
      WebSocket: blockedSocket as unknown as WebSocketConstructor,
    })
    await state(without, 'http')
    proxy.deaf = true
    const before = await counts()
    const answer = on(without)
    await until('the relay issued it', START_MS, async () => (await counts()).issued > before.issued)
    proxy.deaf = false
    proxy.cut()
    expect((await answer).outcome).toBe('done')
    expect((await counts()).issued).toBe(before.issued + 1)
  })
})

describe('what may have happened is told', () => {
  it('of one that was aborted before and after it was sent', async () => {
    await state(client, 'open')
    await expect(
      client.send({ ...LAMP, set: { powered: true } }, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({
      ...{ name: 'Problem', kind: 'closed', outcome: 'did-not-happen' },
    })
    proxy.deaf = true
    const stop = new AbortController()
    const answer = client.send({ ...LAMP, set: { powered: true } }, { signal: stop.signal })
    stop.abort()
    await expect(answer).rejects.toMatchObject({ kind: 'closed', outcome: 'unknown', cause: stop.signal.reason })
  })

  it('of one that had no connection until its deadline, and one that had no answer', async () => {
    await state(client, 'open')
    proxy.deaf = true
    await expect(client.send({ ...LAMP, set: { powered: true } }, { deadline_ms: 200 })).rejects.toMatchObject({
      ...{ kind: 'unavailable', outcome: 'unknown' },
    })
    proxy.refuse = true
    proxy.cut()
    await state(client, 'waiting')
    await expect(client.send({ ...LAMP, set: { powered: true } }, { deadline_ms: 200 })).rejects.toMatchObject({
      ...{ kind: 'unavailable', outcome: 'did-not-happen' },
    })
  })

  it('of one that the relay refuses: which limit, which hub, which word', async () => {
    await state(client, 'open')
    const send = (what: { hub: string; set: Record<string, number> }, deadline_ms = 5_000) =>
      client.send({ device: 'kitchen-lamp', ...what }, { deadline_ms })
    await expect(send({ hub: 'hub-99', set: { powered: 1 } })).rejects.toMatchObject({
      ...{ kind: 'missing', outcome: 'did-not-happen', message: expect.stringContaining('hub-99') },
    })
    await expect(send({ hub: 'hub-01', set: {} })).rejects.toMatchObject({ kind: 'invalid' })
    await expect(send({ hub: 'hub-01', set: { powered: 1 } }, 10)).rejects.toMatchObject({ kind: 'invalid' })
    const report = await send({ hub: 'hub-01', set: { brightness: 900 } })
    expect(report).toMatchObject({ outcome: 'rejected', reason: expect.stringContaining('0 to 100') })
    const key = { key: 'one' }
    await client.send({ ...LAMP, set: { powered: 1 } }, key)
    await expect(client.send({ ...LAMP, set: { powered: 0 } }, key)).rejects.toMatchObject({ kind: 'conflict' })
  })
})

describe('a subscription', () => {
  it('tells states of the hub that it names, after a lost connection too, and says that there was a gap', async () => {
    const heard: HearthEvent[] = []
    const other: HearthEvent[] = []
    client.subscribe({ hub: 'hub-01' }, (event) => heard.push(event))
    client.subscribe({ hub: 'hub-02' }, (event) => other.push(event))
    await state(client, 'open')
    const states = () => heard.filter((event) => event.type === 'state' && event.device === 'kitchen-lamp').length
    await on(client)
    await until('the state is told', START_MS, () => states() > 0)
    proxy.cut()
    await until('the gap is told', START_MS, () => heard.some(({ type }) => type === 'gap'))
    const before = states()
    await on(client, false)
    await until('the next state is told', START_MS, () => states() > before)
    expect(other.map(({ type }) => type)).toEqual(['gap'])
  })

  it('is a loop that ends with its signal, and with the client', async () => {
    await state(client, 'open')
    const stop = new AbortController()
    const first = (async () => {
      const types: string[] = []
      for await (const { type } of client.events({ hub: 'hub-01', signal: stop.signal })) {
        types.push(type)
        if (type === 'state') stop.abort()
      }
      return types
    })()
    const second = (async () => {
      for await (const { type } of client.events()) if (type === 'gap') return 'gap'
      return 'ended'
    })()
    await on(client)
    expect((await first).at(-1)).toBe('state')
    client.close()
    expect(await second).toBe('ended')
  })
})

describe('a token', () => {
  it('that is not known is told, and ends what waits', async () => {
    using stranger = connect({ url: `http://127.0.0.1:${proxy.port}`, token: 'hearth_nobody' })
    await expect(on(stranger)).rejects.toMatchObject({ kind: 'unauthorized', outcome: 'did-not-happen' })
    expect(stranger.connection.state).toBe('refused')
    await expect(on(stranger)).rejects.toMatchObject({ kind: 'unauthorized' })
    await expect(stranger.events().next()).rejects.toMatchObject({ kind: 'unauthorized' })
  })

  it('that is revoked is asked for anew', async () => {
    const made = async (app: string): Promise<string> =>
      JSON.parse(await system.must(['registry', 'token', 'create', app, '--json'])).token
    const next = await made('next-guest')
    let current = await made('guest')
    using guest = connect({ url: `http://127.0.0.1:${proxy.port}`, token: async () => current })
    await state(guest, 'open')
    const states: string[] = []
    guest.onConnection((now) => states.push(now.state))
    await system.must(['registry', 'token', 'revoke', 'guest'])
    await until('it is refused', START_MS, () => states.includes('refused'))
    current = next
    await state(guest, 'open')
    expect((await on(guest)).outcome).toBe('done')
  })

  it('of the scope commands alone sends over HTTP', async () => {
    const { token: narrow } = JSON.parse(
      await system.must(['registry', 'token', 'create', 'button', '--scope', 'commands', '--json']),
    )
    using button = connect({ url: `http://127.0.0.1:${proxy.port}`, token: narrow })
    await state(button, 'http')
    expect((await on(button)).outcome).toBe('done')
    expect(button.connection.reason).toContain('observe')
    // It would wait for ever.
    const events = button.events()
    await expect(events.next()).rejects.toMatchObject({ kind: 'unauthorized' })
  })
})

it('leaves nothing behind when it is closed: the process ends, what waited is told', async () => {
  await state(client, 'open')
  proxy.deaf = true
  const answer = on(client)
  client.close()
  await expect(answer).rejects.toMatchObject({ kind: 'closed', outcome: 'unknown' })
  await expect(on(client)).rejects.toMatchObject({ kind: 'closed', outcome: 'did-not-happen' })
  await expect(client.hubs()).rejects.toMatchObject({ kind: 'closed' })
  expect(client.connection.state).toBe('closed')
})
