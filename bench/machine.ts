/** The machine that a figure was measured on, and how busy it was with other things meanwhile. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { textIn } from '../ingest/row.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'

/** No host name, no path: what is kept is shown to everybody. */
export type MachineFacts = {
  readonly cpu: string
  readonly cores: number
  readonly memory_gib: number
  readonly node: string
  readonly duckdb: string
}

export async function machineFacts(): Promise<MachineFacts> {
  await using database = await openDuckDb()
  const [row] = await rowsOf(database.connection, 'SELECT version() AS version')
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    duckdb: textIn(row ?? {}, 'version') ?? 'unknown',
  }
}

/** The commit that is checked out, and whether the sources differ from it. */
export function commitFacts(): { readonly commit: string; readonly changed: boolean } {
  const git = (...words: string[]) => execFileSync('git', words, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  return {
    commit: git('rev-parse', '--short=10', 'HEAD'),
    changed: git('status', '--porcelain', '--', '..', ':!results') !== '',
  }
}

export type Busy = {
  /** Load average over the last minute, as the kernel tells it. */
  readonly load_before: number
  readonly load_after: number
  /** Cores at work on the whole machine, on average, benchmark included. */
  readonly busy_cores: number
  /** What a hypervisor gave to others while this machine wanted it: percentiles of milliseconds are then its own. Absent in older results. */
  readonly stolen_cores?: number
}

/** Watches how busy the whole machine is, from now until the returned function is called. */
export function watchMachine(): () => Busy {
  const load_before = loadavg()[0] ?? 0
  const before = machineTicks()
  return () => {
    const { busy, all, stolen } = machineTicks()
    const cores = cpus().length / Math.max(1, all - before.all)
    return {
      ...{ load_before, load_after: loadavg()[0] ?? 0 },
      ...{ busy_cores: (busy - before.busy) * cores, stolen_cores: (stolen - before.stolen) * cores },
    }
  }
}

/** proc(5), /proc/stat: user nice system idle iowait irq softirq steal, in clock ticks over all cores. */
function machineTicks(): { readonly busy: number; readonly stolen: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, part) => sum + part, 0)
  const [, , , idle = 0, iowait = 0, , , stolen = 0] = ticks
  return { all, stolen, busy: all - idle - iowait - stolen }
}

const TICKS_A_SECOND = 100

/** CPU that a process, all its threads included, has used so far, µs (proc(5), /proc/PID/stat, utime + stime). */
export function cpuOf_us(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold anything: fields are counted after it, from the third on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND) * 1e6
}

/** Memory of a process, MiB: what it holds now and the most that it held (proc(5), /proc/PID/status). */
export function memoryOf_mib(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) / 1024
  return { now: field('VmRSS'), peak: field('VmHWM') }
}
