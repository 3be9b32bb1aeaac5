/** Runs `hearth` as users do, as processes on a state folder and ports of its own; end-to-end tests look at it from outside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../infra/ports.ts'

const HEARTH = fileURLToPath(new URL('../hearth.js', import.meta.url))
/** How often a condition is looked at. */
const LOOK_MS = 25

export type Ports = {
  readonly hub: number
  readonly app: number
  readonly mqtt: number
  readonly https: number
  readonly dashboards: number
}

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** A `hearth` process that goes on. */
export type Running = {
  readonly pid: number
  /** What it has said so far, both streams. */
  said(): string
  /** Resolves with the match when it has said so; rejects with all that it said when it ends before, or too late. */
  untilSaid(pattern: RegExp, limit_ms: number): Promise<RegExpExecArray>
  readonly ended: Promise<Ended>
  signal(signal: NodeJS.Signals): void
  /** kill -9 of it and all its children at once, as a power cut does. */
  killTree(): Promise<void>
}

export type Result = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type System = {
  readonly home: string
  readonly ports: Ports
  readonly environment: NodeJS.ProcessEnv
  /** Starts `hearth <words>`, or another script with them, in a process group of its own. */
  start(words: readonly string[], environment?: NodeJS.ProcessEnv, script?: string): Running
  /** Runs `hearth <words>` to its end. */
  run(words: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Result>
  /** The same; rejects with what it said unless it exits with 0. */
  must(words: readonly string[]): Promise<string>
  /** Rows of `hearth sql --csv`, without the head. */
  csv(select: string): Promise<readonly (readonly string[])[]>
  /** Ends what still runs and removes the state folder. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A system on an empty state folder; nothing runs yet. `program` is the checkout's command unless told otherwise. */
export async function openSystem(settings: NodeJS.ProcessEnv = {}, program = HEARTH): Promise<System> {
  const home = mkdtempSync(join(tmpdir(), 'hearth-system-'))
  const [hub = 0, app = 0, mqtt = 0, https = 0, dashboards = 0] = await freePorts(5)
  const ports = { hub, app, mqtt, https, dashboards }
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_'))
  const environment = {
    ...Object.fromEntries(inherited),
    HEARTH_HOME: home,
    HEARTH_RELAY_HUB_PORT: String(ports.hub),
    HEARTH_RELAY_APP_PORT: String(ports.app),
    HEARTH_INGEST_MQTT_PORT: String(ports.mqtt),
    HEARTH_INGEST_HTTPS_PORT: String(ports.https),
    HEARTH_DASHBOARDS_PORT: String(ports.dashboards),
    ...settings,
  }
  const started: Running[] = []
  const system: System = {
    home,
    ports,
    environment,
    start(words, more = {}, script = program) {
      const running = launch(script, words, { ...environment, ...more }, home)
      started.push(running)
      return running
    },
    async run(words, more = {}) {
      const child = spawn(process.execPath, [program, ...words], {
        env: { ...environment, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: home,
      })
      const out: Buffer[] = []
      const err: Buffer[] = []
      child.stdout.on('data', (part: Buffer) => out.push(part))
      child.stderr.on('data', (part: Buffer) => err.push(part))
      const code = await new Promise<number>((resolve, reject) => {
        child.on('error', reject)
        child.on('close', (status) => resolve(status ?? -1))
      })
      return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
    },
    async must(words) {
      const { code, stdout, stderr } = await system.run(words)
      if (code !== 0) throw new Error(`hearth ${words.join(' ')} exited with ${code}: ${stderr}${stdout}`)
      return stdout
    },
    async csv(select) {
      const text = await system.must(['sql', '--csv', select])
      const lines = text.split('\r\n').slice(1, -1)
      return lines.map((line) => line.split(','))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((running) => running.killTree()))
      rmSync(home, { recursive: true, force: true })
    },
  }
  return system
}

function launch(program: string, words: readonly string[], environment: NodeJS.ProcessEnv, cwd: string): Running {
  const child: ChildProcess = spawn(process.execPath, [program, ...words], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    cwd,
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`hearth ${words.join(' ')} could not be started`)
  let text = ''
  const hear = (part: Buffer) => {
    text += part.toString()
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  let over = false
  const ended = new Promise<Ended>((resolve) => {
    child.on('exit', (code, signal) => {
      over = true
      resolve({ code, signal })
    })
  })
  return {
    pid,
    ended,
    said: () => text,
    async untilSaid(pattern, limit_ms) {
      let match: RegExpExecArray | null = null
      await until(`hearth ${words.join(' ')} says ${pattern}`, limit_ms, () => {
        match = pattern.exec(text)
        if (!match && over) throw new Error(`hearth ${words.join(' ')} ended before it said ${pattern}:\n${text}`)
        return match !== null
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}\nit said:\n${text}`)
      })
      if (!match) throw new Error('unreachable')
      return match
    },
    signal: (signal) => {
      child.kill(signal)
    },
    async killTree() {
      killGroup(pid)
      if (!over) await ended
      await until(`the process group ${pid} is gone`, 10_000, () => members(pid).length === 0)
    },
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!isCode(error, 'ESRCH')) throw error // ESRCH: all of it is gone
  }
}

/** A process as `ps` tells of it. */
export type ProcessRow = {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly words: string
}

/** The processes of a group that run; one that ended and was not yet waited for does not. */
export function members(group: number): readonly ProcessRow[] {
  const text = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=,args='], { encoding: 'utf8' })
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, found, state = '', words = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    if (Number(found) !== group || state.startsWith('Z')) return []
    return [{ pid: Number(pid), parent: Number(parent), group, words }]
  })
}

/** The child of a tree that runs `hearth <name>`. */
export function childOf(tree: Running, name: string): ProcessRow {
  const found = members(tree.pid).find(({ pid, words }) => pid !== tree.pid && words.includes(`hearth.js ${name}`))
  if (!found) throw new Error(`no process ${name} in the tree`)
  return found
}

/** Resolves when `condition` holds; rejects with `what`, as it is told then, when it does not within the limit. */
export async function until(
  what: string | (() => string),
  limit_ms: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const begun_ms = performance.now()
  while (!(await condition())) {
    if (performance.now() - begun_ms > limit_ms)
      throw new Error(`not within ${limit_ms} ms: ${typeof what === 'string' ? what : what()}`)
    await after(LOOK_MS)
  }
}

/** What a running service says of itself in `run/<name>.json`. */
export function factsOf({ home }: System, name: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(join(home, 'run', `${name}.json`), 'utf8'))
}

/** Where a running service tells its health and figures. */
export function opsOf(system: System, name: string): string {
  return String(factsOf(system, name)['ops_url'])
}

/** The value of a figure of a running service, over all of its labels. */
export async function figureOf(system: System, name: string, figure: string): Promise<number> {
  const text = await (await fetch(`${opsOf(system, name)}/metrics`)).text()
  const values = [...text.matchAll(new RegExp(`^${figure}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
  if (values.length === 0) throw new Error(`${name} tells no ${figure}`)
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Whole seconds that a process has computed. */
export function cpuOf_s(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'cputimes=', '-p', String(pid)], { encoding: 'utf8' }))
}
