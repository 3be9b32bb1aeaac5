import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { configSchema } from './config.ts'
import { openAuthority, openRegistry, serverTls } from './fleet.ts'
import { machineClock, machineRandom } from './machine.ts'

const home = mkdtempSync(join(tmpdir(), 'hearth-fleet-'))
afterEach(() => rmSync(home, { recursive: true, force: true }))

test("a server's certificate is made anew when it lacks a name that is configured", async () => {
  const certificateOf = async (names: string) => {
    const config = configSchema.parse({ relay: { host: '0.0.0.0', names } })
    const context = { home, config, clock: machineClock, random: machineRandom }
    const registry = await openRegistry(context)
    const { cert } = await serverTls(context, await openAuthority(context, registry), 'relay')
    await registry.close()
    return new X509Certificate(cert)
  }
  const first = await certificateOf('relay.example.com')
  expect(first.checkHost('relay.example.com')).toBe('relay.example.com')
  expect((await certificateOf('relay.example.com')).serialNumber).toBe(first.serialNumber)
  const second = await certificateOf('relay.example.com,hearth-relay')
  expect(second.serialNumber).not.toBe(first.serialNumber)
  expect([second.checkHost('hearth-relay'), second.checkHost('0.0.0.0')]).toEqual(['hearth-relay', undefined])
})
