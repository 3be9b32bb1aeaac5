import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'
import { goCommand } from '../go.ts'

const run = promisify(execFile)
const VERSION = '1.8.0'
const MODULE = `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`
const CACHE = join(import.meta.dirname, '../../.cache/s3')

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
