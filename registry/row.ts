import { z } from 'zod'
import { assert, Problem } from '../contract/problem.ts'
import { type HubRecord, hubRecord } from '../contract/registry-record.ts'
import type { CertificateEntry, ExpectedDevice, TokenEntry } from './administration.ts'
import { type Principal, SCOPES } from './registry.ts'
import type { Row } from './steps.ts'

/** Rows as a database gives them → what the registry hands out. A row that does not fit is `corrupt`. */
const principal = z.object({
  app: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  hubs: z.array(z.string()).exactOptional(),
  identity: z.object({ source: z.string(), role: z.enum(['hub', 'service']), generation: z.number() }).exactOptional(),
})
const certificateRole = z.enum(['hub', 'service', 'server', 'claim'])
const device = z.object({
  ...{ serial: z.string(), key_hash: z.string().exactOptional() },
  ...{ hub: z.string(), home: z.string(), region: z.string(), model: z.string(), zone: z.string() },
})

export function text(value: unknown): string {
  assert(typeof value === 'string', `expected a text column, found ${typeof value}`)
  return value
}

export function number(value: unknown): number {
  assert(typeof value === 'number', `expected a number column, found ${typeof value}`)
  return value
}

export function hubRecordOf(row: Row | undefined): HubRecord | undefined {
  return row && fits(hubRecord, JSON.parse(text(row['record'])), 'hub record')
}

export function principalOf(row: Row): Principal {
  return fits(principal, JSON.parse(text(row['principal'])), 'token')
}

export function expectedDevice(row: Row): ExpectedDevice {
  return fits(device, JSON.parse(text(row['device'])), 'device')
}

export function tokenEntry(row: Row): TokenEntry {
  return {
    ...principalOf(row),
    fingerprint: text(row['hash']).slice(0, 8),
    created_ms: number(row['created_ms']),
    ...(row['expires_ms'] === null ? {} : { expires_ms: number(row['expires_ms']) }),
    ...(row['revoked_ms'] === null ? {} : { revoked_ms: number(row['revoked_ms']) }),
  }
}

export function certificateEntry(row: Row): CertificateEntry {
  return {
    serial: text(row['serial']),
    source: text(row['source']),
    role: fits(certificateRole, row['role'], 'certificate role'),
    generation: number(row['generation']),
    issued_ms: number(row['issued_ms']),
    expires_ms: number(row['expires_ms']),
    ...(row['revoked_ms'] === null ? {} : { revoked_ms: number(row['revoked_ms']) }),
    ...(row['reason'] === null ? {} : { reason: text(row['reason']) }),
  }
}

function fits<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Problem('corrupt', `the registry holds a ${what} that does not fit: ${z.prettifyError(result.error)}`)
}
