/** A system whose registry is in Postgres: it serves with Postgres gone, and begins without it. */
import { expect, it } from 'vitest'
import { startPostgres } from '../infra/postgres/server.ts'
import { commandOutcome } from './testing/command-outcome.ts'
import { registrySettings } from './testing/registry-settings.ts'
import { figureOf, openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000

const command = (system: System, bearer: string) => commandOutcome(system, bearer, 'hub-01')

it('commands and revocations go by Postgres, and without it by what was known', async () => {
  await using postgres = await startPostgres()
  await using system = await openSystem(registrySettings(postgres))
  const serve = async (name: string) => {
    const running = system.start([name])
    await running.untilSaid(/"event":"ready"/, START_MS)
    return running
  }
  const relay = await serve('relay')
  await serve('ingest')
  system.start(['hub', '--simulated', '1'])
  const made = await system.must(['registry', 'token', 'create', 'test', '--json'])
  const bearer: string = JSON.parse(made).token
  await until('the hub hears commands', START_MS, async () => (await command(system, bearer)) === 'done')
  await until('the registry is told in the lake', START_MS, async () => {
    const { stdout } = await system.run(['sql', "select count(*) as n from events where kind = 'registry'", '--json'])
    return /"n": ?"?1\b/.test(stdout)
  })

  await postgres.kill()
  expect(await command(system, bearer)).toBe('done')
  const refused = await system.run(['registry', 'token', 'revoke', 'test'])
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/Postgres at localhost:\d+\/postgres is not/),
  ])
  relay.signal('SIGKILL')
  await relay.ended
  const again = await serve('relay')
  await until('the hub is back', START_MS, async () => (await command(system, bearer)) === 'done')
  await again.untilSaid(/"event":"registry".*begins from its copy/, START_MS)
  expect(await figureOf(system, 'relay', 'hearth_registry_stale_seconds')).toBeGreaterThan(0)

  await postgres.restart()
  await system.must(['registry', 'token', 'revoke', 'test'])
  await until('the relay refuses the token', START_MS, async () => (await command(system, bearer)) === 401)
  const { stdout } = await system.run(['doctor', '--json'])
  const findings: { check: string; found: string; state: string }[] = JSON.parse(stdout)
  expect(findings.find(({ check }) => check === 'registry')).toMatchObject({ state: 'good', found: /in Postgres/ })
})

it('another machine of the fleet knows what this one enrolled', async () => {
  await using postgres = await startPostgres()
  await using here = await openSystem(registrySettings(postgres))
  await using there = await openSystem(registrySettings(postgres))
  await here.must(['registry', 'add', 'kitchen-1'])
  expect(await there.must(['registry', 'hubs'])).toMatch(/^kitchen-1 /m)
  const code = JSON.parse(await there.must(['registry', 'code', 'kitchen-1', '--json']))
  expect(code).toMatchObject({ hub: 'kitchen-1' })
})

it('settings that cannot be are refused by name, without the password', async () => {
  await using system = await openSystem({ HEARTH_REGISTRY_URL: 'postgres://me:pa55-word@nowhere' })
  const { code, stderr } = await system.run(['registry', 'hubs'])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/HEARTH_REGISTRY_URL: expected nothing, or postgres:\/\//)
  expect(stderr).not.toContain('pa55-word')
})
