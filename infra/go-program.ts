import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from './alone.ts'
import { goCommand } from './go.ts'

const run = promisify(execFile)

/** Builds a program of a Go module (`path@version`) at `program`, unless it is there; throws saying what is missing. */
export async function goProgram(program: string, module: string): Promise<string> {
  if (!existsSync(program)) await alone(basename(dirname(program)), () => build(program, module))
  return program
}

async function build(program: string, module: string): Promise<void> {
  if (existsSync(program)) return
  const building = join(dirname(program), `building-${process.pid}`)
  await mkdir(building, { recursive: true })
  try {
    const environment = { ...process.env, GOBIN: building, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'auto' }
    await run(await goCommand(), ['install', module], { env: environment })
    await rename(join(building, nameOf(module)), program)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

/** As `go install` names it: of a major version's path, the part before it. */
function nameOf(module: string): string {
  const [path = ''] = module.split('@')
  return basename(/\/v\d+$/.test(path) ? dirname(path) : path)
}
