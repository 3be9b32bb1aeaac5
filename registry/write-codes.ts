import { Problem } from '../contract/problem.ts'
import type { Administration } from './administration.ts'
import { CODE_LIFE_MS, CODES_PER_HUB_MAX } from './limits.ts'
import type { RegistryOptions } from './registry-options.ts'
import { number, text } from './row.ts'
import { type Change, row, run, type Steps } from './steps.ts'
import { knownHub, writeHub } from './write-hubs.ts'
import { sha256 } from './write-tokens.ts'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
/** All but the newest few: a LIMIT must stand before OFFSET in SQLite, and be no -1 in Postgres. */
const FORGET = `DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE hub = ? ORDER BY created_ms DESC LIMIT 1000000 OFFSET ${CODES_PER_HUB_MAX - 1})`
const INSERT = 'INSERT INTO codes (hash, hub, created_ms, expires_ms) VALUES (?, ?, ?, ?)'
const HAD = "SELECT 1 AS had FROM certificates WHERE source = ? AND generation = ? AND role = 'hub' LIMIT 1"

type Parts = Pick<RegistryOptions, 'layout' | 'clock' | 'random'> & { readonly wall_ms: number }

/** The one-time codes with which a device gets its first certificate. */
export function codeWrites(change: Change, parts: Parts): Pick<Administration, 'createCode' | 'redeemCode'> {
  const { clock, random } = parts
  return {
    async createCode(hub, life_ms = CODE_LIFE_MS) {
      const code = enrolmentCode(random.bytes(15))
      const now_ms = clock.now()
      await change(function* () {
        if ((yield* knownHub(hub)).retired_ms !== undefined) {
          throw new Problem('conflict', `hub ${hub} is retired: add it again before it can be enrolled`)
        }
        yield* run('DELETE FROM codes WHERE expires_ms <= ?', now_ms)
        yield* run(FORGET, hub)
        yield* run(INSERT, sha256(code), hub, now_ms, now_ms + life_ms)
      })
      return code
    },

    redeemCode: (code, key_hash) =>
      change(function* () {
        const now_ms = clock.now()
        const hash = sha256(code.trim().toLowerCase())
        const found = yield* row('SELECT * FROM codes WHERE hash = ?', hash)
        if (!found || number(found['expires_ms']) <= now_ms) {
          throw new Problem('unauthorized', 'this enrolment code is not known or has expired: ask for a new one')
        }
        const hub = text(found['hub'])
        if (found['key_hash'] === key_hash) return { hub, generation: number(found['generation']) }
        if (found['key_hash'] !== null) {
          throw new Problem('unauthorized', 'this enrolment code was used by another device: ask for a new one')
        }
        const generation = yield* nextGeneration(hub, parts)
        yield* run('UPDATE codes SET key_hash = ?, generation = ? WHERE hash = ?', key_hash, generation, hash)
        return { hub, generation }
      }),
  }
}

/** The generation of a device that becomes this hub: one that had a certificate of its own is enrolled anew. */
function* nextGeneration(hub: string, parts: Parts): Steps<number> {
  const record = yield* knownHub(hub)
  if (!(yield* row(HAD, hub, record.generation))) return record.generation
  const generation = record.generation + 1
  const now_ms = parts.clock.now()
  yield* writeHub({ ...record, generation, enrolled_ms: now_ms }, now_ms, parts)
  return generation
}

/** 15 bytes as 24 symbols that can be read aloud (Crockford's base 32), in groups of six. */
function enrolmentCode(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const symbols = (bits.match(/.{5}/g) ?? []).map((five) => CROCKFORD[Number.parseInt(five, 2)]).join('')
  return symbols.match(/.{6}/g)?.join('-') ?? symbols
}
