/** What the kernel tells of a process (proc(5)): memory by kind, CPU, bytes written. */
import { readdirSync, readFileSync } from 'node:fs'

export type Memory = {
  /** In memory; shared pages divided by who shares them; and what would be free again if it ended. MiB. */
  readonly rss: number
  readonly pss: number
  readonly own: number
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name: string) => mib(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1])
  return { rss: field('Rss'), pss: field('Pss'), own: field('Private_Clean') + field('Private_Dirty') }
}

const mib = (kilobytes: string | undefined) => Number(kilobytes ?? Number.NaN) / 1024

/** RSS by what a mapping is: the program and libraries, files, the allocator's, V8's and other memory without a file. MiB. */
export function memoryByKind(pid: number): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {}
  let kind = ''
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$/.exec(line)
    if (mapping) kind = kindOf(mapping[2] ?? '', mapping[1] ?? '')
    const rss = /^Rss:\s+(\d+) kB$/.exec(line)?.[1]
    if (rss !== undefined) kinds[kind] = (kinds[kind] ?? 0) + mib(rss)
  }
  return kinds
}

function kindOf(file: string, rights: string): string {
  if (file.endsWith('/node')) return rights.includes('w') ? 'data of Node' : "Node's program"
  if (/\.(so|node)(\.|$)/.test(file)) return 'libraries'
  if (file === '[heap]') return 'allocator'
  if (file.startsWith('[stack')) return 'stack'
  if (file.startsWith('/')) return 'files'
  return rights.includes('x') ? 'compiled code' : 'V8 and others'
}

/** ns that its threads have run on a core (Documentation/scheduler/sched-stats): finer than the ticks of stat. */
export function cpuOf_ns(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]), 0)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '0' // a thread that ended meanwhile
  }
}

/** Bytes that it caused to be sent to storage, by the pages that it made dirty; and times that it woke up. */
export function writtenBy(pid: number): number {
  const found = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
  return Number(found ?? Number.NaN)
}
