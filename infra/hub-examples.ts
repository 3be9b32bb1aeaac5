/** The example hubs of docs/examples, as programs. */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall } from './apt.ts'
import { linesOf, type Spoken } from './mqtt-clients/python.ts'
import { pythonOf } from './python.ts'

const FOLDER = join(import.meta.dirname, '../docs/examples')

/** Built in `folder`, as the file says that it is. */
export async function exampleInC(folder: string): Promise<readonly string[]> {
  const isThere = () => {
    try {
      execFileSync('cc', ['-E', '-'], { input: '#include <openssl/ssl.h>\n', stdio: ['pipe', 'ignore', 'ignore'] })
      return true
    } catch {
      return false
    }
  }
  await aptInstall(() => (isThere() ? [] : ['gcc', 'libc6-dev', 'libssl-dev']))
  const program = join(folder, 'hub')
  const words = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, join(FOLDER, 'hub.c'), '-lssl', '-lcrypto']
  execFileSync('cc', words, { stdio: ['ignore', 'ignore', 'inherit'] })
  return [program]
}

/** With `faults`, pairs of what is there and what is put in its place, as a copy in `folder`. Raises for what is not there. */
export async function exampleInPython(
  folder: string,
  faults: readonly (readonly [there: string, instead: string])[] = [],
): Promise<readonly string[]> {
  let text = readFileSync(join(FOLDER, 'hub.py'), 'utf8')
  for (const [there, instead] of faults) {
    if (!text.includes(there)) throw new Error(`hub.py has no ${there}`)
    text = text.replace(there, instead)
  }
  const program = join(folder, 'hub.py')
  writeFileSync(program, text)
  return [await pythonOf('mqtt-clients'), program]
}

/** Starts one in a process group of its own; the folder has its certificate. */
export function startExample(
  [program = '', ...words]: readonly string[],
  { relay, gateway, folder }: { readonly relay: number; readonly gateway: number; readonly folder: string },
): Spoken & { kill(): void } {
  const all = [...words, `localhost:${relay}`, `localhost:${gateway}`, folder]
  const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let over = false
  child.once('exit', () => (over = true))
  return {
    ...linesOf(child),
    kill() {
      if (!over && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    },
  }
}
