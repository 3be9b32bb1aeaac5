/** Python packages that development and tests run. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from './alone.ts'

const run = promisify(execFile)

/**
 * The interpreter of a virtual environment with what `infra/<name>/requirements.txt` says, made in `.cache/<name>` when it is
 * missing or stale.
 */
export async function pythonOf(name: string): Promise<string> {
  const cache = join(import.meta.dirname, '../.cache', name)
  const requirements = join(import.meta.dirname, name, 'requirements.txt')
  const python = join(cache, 'bin/python')
  const marker = join(cache, 'requirements.installed')
  const wanted = await readFile(requirements, 'utf8')
  const isThere = async () => (await readFile(marker, 'utf8').catch(() => '')) === wanted
  if (!(await isThere())) await alone(name, async () => (await isThere()) || (await provision()))
  return python

  async function provision(): Promise<void> {
    await rm(cache, { recursive: true, force: true })
    await mkdir(cache, { recursive: true })
    await run('python3', ['-m', 'venv', cache])
    await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements])
    await writeFile(marker, wanted)
  }
}
