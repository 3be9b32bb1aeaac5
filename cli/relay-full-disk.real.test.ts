/** A disk that is full under the relay's ledger alone: commands go on, nothing of theirs is lost, and a start begins on it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { openSystem, opsOf, type System, until } from './testing/system.ts'

const START_MS = 60_000
const LIMIT_MS = 240_000
const AT_ONCE = 16
const root = process.getuid?.() === 0
const report = z.object({ command: z.string(), outcome: z.string() })

/** Resolves with the command's id; with nothing where it was not done. */
async function send(system: System, bearer: string): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/hub-01/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    // To one device they run one after the other: the last of many waits for all of them.
    body: JSON.stringify({ device: 'living-lamp', set: { powered: true }, deadline_ms: 30_000 }),
  })
  const told = report.safeParse(await response.json()).data
  return told?.outcome === 'done' ? told.command : undefined
}

test(
  'commands go on while the disk of the ledger is full, after a start on it too, and all of them are told in the end',
  async ({ skip }) => {
    if (!root) skip('only root can mount a small file system')
    await using system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
    const folder = join(system.home, 'relay')
    mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', folder])
    const filler = join(folder, 'filler')
    const fill = () => {
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], {
          stdio: 'ignore',
        })
      } catch {
        // dd ends with an error when the disk is full, which is what it is for.
      }
    }
    const serve = async (name: string) => {
      const running = system.start([name])
      await running.untilSaid(/"event":"ready"/, START_MS)
      return running
    }
    try {
      const relay = await serve('relay')
      system.start(['hub', '--simulated', '1'])
      const bearer: string = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
      const isHeard = () =>
        until('the hub hears commands', START_MS, async () => (await send(system, bearer)) !== undefined)
      const done: string[] = []
      const commands = async (count: number) => {
        for (let sent = 0; sent < count; sent += AT_ONCE) {
          const ids = await Promise.all(Array.from({ length: AT_ONCE }, () => send(system, bearer)))
          done.push(...ids.flatMap((id) => id ?? []))
          expect(ids).not.toContain(undefined)
        }
      }
      await isHeard()
      await commands(48)
      fill()
      await commands(160)
      const figures = await (await fetch(`${opsOf(system, 'relay')}/metrics`)).text()
      expect(figures).toMatch(/^hearth_relay_spool_dropped_events_total\{[^}]*\} 0$/m)
      expect(figures).toMatch(/^hearth_relay_ledger_writes_lost_total\{[^}]*\} 0$/m)

      relay.signal('SIGKILL')
      await relay.ended
      fill()
      await serve('relay')
      await isHeard()
      const first = await fetch(`http://127.0.0.1:${system.ports.app}/v1/commands/${done[0]}`, {
        headers: { authorization: `Bearer ${bearer}` },
      })
      expect(await first.json()).toMatchObject({ command: done[0], outcome: 'done' })
      await commands(48)

      rmSync(filler)
      await commands(48)
      await serve('ingest')
      await until('the table tells of all of them', START_MS, async () => {
        const rows = await system.csv("select command_id from events where kind = 'command' and stage = 'done'")
        const told = new Set(rows.map(([id]) => id))
        return done.every((id) => told.has(id))
      })
    } finally {
      execFileSync('umount', ['-l', folder])
    }
  },
  LIMIT_MS,
)
