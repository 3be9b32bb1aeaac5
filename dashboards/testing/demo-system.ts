import { openSystem, type Running, type System } from '../../cli/testing/system.ts'

/** A whole system with simulated homes that a browser can be pointed at. */
export type DemoSystem = {
  readonly system: System
  readonly tree: Running
  /** `http://127.0.0.1:PORT/?token=…` */
  readonly link: string
  close(): Promise<void>
}

const READY_MAX_MS = 170_000

/** Starts `hearth up --demo` on free ports and an empty state folder; resolves when it says that it is ready. */
export async function startDemoSystem(options: { readonly hubs: number; readonly days: number }): Promise<DemoSystem> {
  const system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '1000', NO_COLOR: '1' })
  try {
    const words = ['up', '--demo', '--hubs', String(options.hubs), '--days', String(options.days)]
    const tree = system.start(words)
    const [, link = ''] = await tree.untilSaid(/Hearth is ready: (http:\S+)/, READY_MAX_MS)
    return { system, tree, link, close: () => system[Symbol.asyncDispose]() }
  } catch (error) {
    await system[Symbol.asyncDispose]()
    throw error
  }
}
