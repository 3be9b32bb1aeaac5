import { expect } from 'vitest'
import { untilWritten } from './bad-day.ts'
import { startLoad } from './load-process.ts'
import { type Running, type System, until } from './system.ts'

export type UnderLoad = {
  readonly ingest: Running
  /** Resolves when more was acknowledged. */
  acknowledged(): Promise<void>
}

/** Ingest with hubs that send, through a day of trouble; afterwards all that was acknowledged is in the table, once. */
export async function underLoad(
  system: System,
  { folder, limit_ms }: { readonly folder: string; readonly limit_ms: number },
  day: (parts: UnderLoad) => Promise<void>,
): Promise<void> {
  const ingest = system.start(['ingest'])
  await ingest.untilSaid(/"event":"ready"/, limit_ms)
  const load = await startLoad(system, { folder, hubs: 4, seed: 5 })
  const acknowledged = async () => {
    const before = load.acknowledged_bytes()
    await until('more is acknowledged', limit_ms, () => load.acknowledged_bytes() > before + 4_000)
  }
  try {
    await acknowledged()
    await day({ ingest, acknowledged })
    const { events } = await load.end()
    const found = await untilWritten(system, load.journal, limit_ms)
    expect(found).toMatchObject({ code: 0, ok: true, acknowledged: { journal: events, found: events } })
    ingest.signal('SIGTERM')
    expect(await ingest.ended).toEqual({ code: 0, signal: null })
  } finally {
    load.kill()
  }
}
