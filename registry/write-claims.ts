import { Problem } from '../contract/problem.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { isId } from '../contract/source.ts'
import type { Administration, ClaimEntry, ExpectedDevice } from './administration.ts'
import { CLAIM_SERIAL_PATTERN, CLAIMS_IMPORT_ROWS } from './limits.ts'
import type { RegistryOptions } from './registry-options.ts'
import { expectedDevice, hubRecordOf, number, text } from './row.ts'
import { type Change, type Row, row, rows, run, type Steps } from './steps.ts'
import { NEWEST, writeHub } from './write-hubs.ts'

const INSERT = 'INSERT INTO claims (serial, batch, device) VALUES (?, ?, ?)'
const SPEND = 'UPDATE claims SET key_hash = ?, generation = ?, claimed_ms = ? WHERE serial = ?'
const HAD = "SELECT 1 AS had FROM certificates WHERE source = ? AND role = 'hub' LIMIT 1"

type Parts = Pick<RegistryOptions, 'layout' | 'clock'> & { readonly wall_ms: number }

/** Devices that a factory made, expected by serial, and how each becomes its hub, once. */
export function claimWrites(
  change: Change,
  parts: Parts,
): Pick<Administration, 'expectDevices' | 'redeemClaim' | 'claims'> {
  return {
    async expectDevices(batch, devices) {
      if (!isId(batch)) throw new Problem('invalid', `a batch is named like a hub; found ${JSON.stringify(batch)}`)
      for (const device of devices) check(device)
      let added = 0
      // In parts, so that no other change waits long; one that was cut off is imported again as a whole.
      for (let first = 0; first < devices.length; first += CLAIMS_IMPORT_ROWS) {
        const part = devices.slice(first, first + CLAIMS_IMPORT_ROWS)
        added += await change(() => expectAll(batch, part))
      }
      return added
    },

    redeemClaim: (batch, serial, key_hash) =>
      change(function* () {
        const found = yield* row('SELECT * FROM claims WHERE serial = ?', serial)
        if (!found || text(found['batch']) !== batch) {
          throw new Problem('unauthorized', `no device with serial ${serial} is expected of batch ${batch}`)
        }
        const device = expectedDevice(found)
        if (device.key_hash !== undefined && device.key_hash !== key_hash) {
          throw new Problem('unauthorized', `the device with serial ${serial} was made with another key than this`)
        }
        if (found['key_hash'] !== null && found['key_hash'] !== key_hash) {
          throw new Problem(
            'unauthorized',
            `the device with serial ${serial} has its certificate already: with another key it needs a code (hearth registry code ${device.hub})`,
          )
        }
        const generation = yield* generationOf(device, found, parts)
        if (found['key_hash'] === null) yield* run(SPEND, key_hash, generation, parts.clock.now(), serial)
        return { hub: device.hub, generation }
      }),

    claims: (batch) =>
      change(function* () {
        const found = batch === undefined ? yield* rows(ALL) : yield* rows(OF_BATCH, batch)
        return found.map(claimEntry)
      }),
  }
}

const ALL = 'SELECT * FROM claims ORDER BY batch, serial'
const OF_BATCH = 'SELECT * FROM claims WHERE batch = ? ORDER BY serial'

function* expectAll(batch: string, devices: readonly ExpectedDevice[]): Steps<number> {
  let added = 0
  for (const device of devices) {
    const { serial } = device
    const body = JSON.stringify(device)
    const found = yield* row('SELECT batch, device FROM claims WHERE serial = ?', serial)
    if (!found) {
      yield* run(INSERT, serial, batch, body)
      added++
    } else if (text(found['batch']) !== batch || text(found['device']) !== body) {
      throw new Problem('conflict', `serial ${serial} is expected already, of batch ${text(found['batch'])}, otherwise`)
    }
  }
  return added
}

/** The hub's generation for this device: its record is made when there is none. Raises `unauthorized`. */
function* generationOf(device: ExpectedDevice, claim: Row, parts: Parts): Steps<number> {
  const { serial: _serial, key_hash: _key, ...place } = device
  const record = hubRecordOf(yield* row(NEWEST, device.hub))
  const refuse = (why: string) => {
    throw new Problem('unauthorized', `hub ${device.hub} ${why}: it needs a code (hearth registry code ${device.hub})`)
  }
  if (record?.retired_ms !== undefined) return refuse('was retired')
  if (claim['key_hash'] !== null) {
    const generation = number(claim['generation'])
    return record?.generation === generation ? generation : refuse('was enrolled anew since')
  }
  // Whoever holds a serial must not take the place of a hub that serves.
  if (yield* row(HAD, device.hub)) return refuse('has a certificate already')
  if (record) return record.generation
  const now_ms = parts.clock.now()
  const fresh: HubRecord = { ...place, generation: 1, enrolled_ms: now_ms, maintenance: [] }
  yield* writeHub(fresh, now_ms, parts)
  return 1
}

function check({ serial, hub, home, key_hash }: ExpectedDevice): void {
  if (!CLAIM_SERIAL_PATTERN.test(serial)) {
    throw new Problem(
      'invalid',
      `a serial has 4 to 64 of A–Z, a–z, 0–9, '.', '_', '-'; found ${JSON.stringify(serial)}`,
    )
  }
  const bad = [hub, home].find((name) => !isId(name))
  if (bad !== undefined) {
    throw new Problem('invalid', `of serial ${serial}: expected the id of a hub or home, found ${JSON.stringify(bad)}`)
  }
  if (key_hash !== undefined && !/^[0-9a-f]{64}$/.test(key_hash)) {
    throw new Problem('invalid', `of serial ${serial}: expected a key's SHA-256, 64 hex digits, found ${key_hash}`)
  }
}

function claimEntry(found: Row): ClaimEntry {
  const batch = text(found['batch'])
  const device = expectedDevice(found)
  return found['claimed_ms'] === null
    ? { ...device, batch }
    : { ...device, batch, claimed_ms: number(found['claimed_ms']) }
}
