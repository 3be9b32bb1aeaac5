import { join } from 'node:path'
import { goProgram } from '../go-program.ts'

const VERSION = '1.8.0'
const CACHE = join(import.meta.dirname, '../../.cache/s3')

/** Longest time that it may take to build it, on a machine with much else to do. */
export const S3_BUILD_LIMIT_MS = 900_000

/** Path of the S3 server for tests, built into `.cache/s3` the first time (a minute or two); throws saying what is missing. */
export function versitygw(): Promise<string> {
  return goProgram(join(CACHE, `versitygw-${VERSION}`), `github.com/versity/versitygw/cmd/versitygw@v${VERSION}`)
}
