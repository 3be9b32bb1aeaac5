import type { HubRecord } from '../contract/registry-record.ts'
import type { Principal, Registry } from './registry.ts'

export type CertificateRole = 'hub' | 'service' | 'server'

/** A certificate that the fleet's CA signed. Serials are upper-case hex without leading zeros, as Node shows them. */
export type CertificateEntry = {
  readonly serial: string
  readonly source: string
  readonly role: CertificateRole
  readonly generation: number
  readonly issued_ms: number
  readonly expires_ms: number
  readonly revoked_ms?: number
  readonly reason?: string
}

/** A token without its text, which nobody keeps. */
export type TokenEntry = Principal & {
  /** First 8 hex digits of its SHA-256: tells one from another. */
  readonly fingerprint: string
  readonly created_ms: number
  readonly expires_ms?: number
  readonly revoked_ms?: number
}

/** What changes a registry. Each call is one transaction: durable, and seen by this process, when it resolves. */
export type RegistryWrites = {
  /** Writes a record valid from `valid_from_ms` and the event that tells of it, in one transaction. */
  putHub(record: HubRecord, valid_from_ms: number): Promise<void>
  retireHub(hub: string, at_ms: number): Promise<void>
  /** Makes a token; only its SHA-256 is kept. Resolves to the text, `hearth_…`, which is shown once. */
  createToken(principal: Principal, options?: { readonly expires_ms?: number }): Promise<string>
  revokeToken(app: string): Promise<void>
  /** Makes a serial known. Before that `allows` refuses it. */
  recordCertificate(entry: CertificateEntry): Promise<void>
  revokeCertificate(serial: string, reason: string): Promise<void>
  /** A one-time code with which a device becomes this hub. Raises `missing` (no such hub) and `conflict` (retired). */
  createCode(hub: string, life_ms?: number): Promise<string>
  /**
   * Spends a code for the device that holds the key with this hash. A hub that already had a certificate of its
   * generation is enrolled anew: its generation rises. The same code with the same key answers the same again, until
   * the code expires, so that a lost answer does not strand a hub. Raises `unauthorized`.
   */
  redeemCode(code: string, key_hash: string): Promise<{ readonly hub: string; readonly generation: number }>
}

/** The registry as those see it who change it: the command line and the enrolment endpoint. */
export type Administration = Registry &
  RegistryWrites & {
    /** All records of a hub, oldest first. */
    history(hub: string): readonly { readonly record: HubRecord; readonly valid_from_ms: number }[]
    tokens(): readonly TokenEntry[]
    /** Newest first; of one source when it is named. */
    certificates(source?: string): readonly CertificateEntry[]
  }

/** One spelling of a serial, whoever wrote it: openssl, Node and x509 libraries differ in case, colons and zeros. */
export function normalSerial(serial: string): string {
  return serial.replaceAll(':', '').toUpperCase().replace(/^0+/, '')
}
