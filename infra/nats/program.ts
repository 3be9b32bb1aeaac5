import { join } from 'node:path'
import { goProgram } from '../go-program.ts'

export const NATS_VERSION = '2.15.3'
const CACHE = join(import.meta.dirname, '../../.cache/nats')

/** Path of the NATS server for benchmarks, built into `.cache/nats` the first time; throws saying what is missing. */
export function natsServer(): Promise<string> {
  return goProgram(join(CACHE, `nats-server-${NATS_VERSION}`), `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`)
}
