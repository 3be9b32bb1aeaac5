import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pythonOf } from '../python.ts'

/** Clients of other makers, of PyPI. */
export const PYTHON_CLIENTS = ['paho', 'aiomqtt', 'gmqtt'] as const

export type ClientRequest = {
  readonly client: (typeof PYTHON_CLIENTS)[number]
  readonly version: 4 | 5
  readonly host: string
  readonly port: number
  /** Files. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly hub: string
  readonly epoch: string
  readonly keepalive: number
}

/** What a program says, a line each, as it comes. */
export type Spoken = { readonly lines: readonly string[]; readonly process: ChildProcess }

/** A hub by `client`; see client.py for what it does and says. */
export async function startPythonClient(request: ClientRequest): Promise<Spoken> {
  const python = await pythonOf('mqtt-clients')
  return linesOf(spawn(python, [join(import.meta.dirname, 'client.py'), JSON.stringify(request)]))
}

/** Lines of both outputs of a process. */
export function linesOf(process: ChildProcess): Spoken {
  const lines: string[] = []
  for (const output of [process.stdout, process.stderr]) {
    if (output) createInterface({ input: output }).on('line', (line) => lines.push(line))
  }
  return { lines, process }
}
