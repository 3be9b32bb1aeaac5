/** A node's namespaces: of processes, of mounts and of the network. What is started in them ends when their owner does. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const PREFIX = 'hearth-kubernetes-'
const CGROUPS_EMPTY_LIMIT_MS = 10_000
const LOOK_MS = 20

export type Node = {
  /** Everything that the cluster writes; its name is the cgroup's too. */
  readonly folder: string
  readonly cgroup: string
  /** Before a command that shall run in the namespaces. */
  readonly enter: readonly string[]
  /** Before one that shall be in the network alone. */
  readonly enterNetwork: readonly string[]
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes one with this address, after it removed what owners left that were killed. */
export async function openNode(address: string): Promise<Node> {
  await sweepNodes()
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-${startOf(process.pid)}-`))
  const cgroup = basename(folder)
  const script = join(import.meta.dirname, 'node.sh')
  // The first process reads what only we could write: it ends when we do, whatever ends us, and the kernel ends the others.
  const words = ['--net', '--mount', '--pid', '--fork', '--mount-proc', 'bash', script, folder, address, cgroup]
  const child = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const node: Node = {
    folder,
    cgroup,
    enter: ['nsenter', namespaceOf(child, 'net'), namespaceOf(child, 'mount'), namespaceOf(child, 'pid')],
    enterNetwork: ['nsenter', namespaceOf(child, 'net')],
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
      await removeNode(folder)
    },
  }
  let said = ''
  child.stderr.on('data', (part: Buffer) => {
    said += part.toString()
  })
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  if (first.value !== 'ready') {
    await node[Symbol.asyncDispose]()
    throw new Error(`a node's namespaces could not be made: ${said}`)
  }
  return node
}

/** Names of the kernel by flags of nsenter. `unshare` itself stays outside of the new process namespace, where only its children are. */
const NAMESPACES = { net: 'net', mount: 'mnt', pid: 'pid_for_children' } as const

function namespaceOf({ pid }: ChildProcess, flag: keyof typeof NAMESPACES): string {
  return `--${flag}=/proc/${pid}/ns/${NAMESPACES[flag]}`
}

async function sweepNodes(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid, start] = /^hearth-kubernetes-(\d+)-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && startOf(Number(pid)) !== start) await removeNode(join(tmpdir(), name))
  }
}

/** When a process began, in ticks since the machine did: with its id it names the process for good. (proc(5), field 22.) */
function startOf(pid: number): string | undefined {
  const file = `/proc/${pid}/stat`
  return existsSync(file) ? readFileSync(file, 'utf8').replace(/^.*\)/s, '').split(' ')[20] : undefined
}

/** Its processes have ended, or are about to. */
async function removeNode(folder: string): Promise<void> {
  const over = AbortSignal.timeout(CGROUPS_EMPTY_LIMIT_MS)
  const roots = () => globSync(`/sys/fs/cgroup/{,*/}${basename(folder)}`)
  while (roots().length > 0) {
    // From the leaves: a cgroup with another in it, or with a process, cannot be removed.
    for (const root of roots()) {
      const { stdout } = await run('find', [root, '-depth', '-type', 'd'])
      for (const cgroup of stdout.trim().split('\n')) await rmdir(cgroup).catch(() => undefined)
    }
    if (over.aborted) throw new Error(`processes are left in ${roots().join(', ')}, though their node has ended`)
    await after(LOOK_MS)
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** The process that a `nsenter` of ours became the parent of. */
export function enteredBy(pid: number | undefined): number | undefined {
  const file = `/proc/${pid}/task/${pid}/children`
  const children = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  return children === '' ? undefined : Number(children.split(' ')[0])
}
