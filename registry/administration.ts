import type { HubRecord } from '../contract/registry-record.ts'
import type { Principal, Registry } from './registry.ts'

/** `claim`: of a batch of devices, with which each gets a certificate of its own, and nothing else. */
export type CertificateRole = 'hub' | 'service' | 'server' | 'claim'

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

/** A device that a factory made, and the hub that it will be. */
export type ExpectedDevice = Pick<HubRecord, 'hub' | 'home' | 'region' | 'model' | 'zone'> & {
  /** As it is printed on the device. */
  readonly serial: string
  /** SHA-256 of its public key (SPKI), hex, where the factory wrote it down: then no other device may come with its serial. */
  readonly key_hash?: string
}

/** What a hub said last that it has on its disk: which certificate, and which CAs (SHA-256 of their PEM, hex) it trusts. */
export type TrustEntry = { readonly hub: string; readonly serial: string; readonly cas: string }

export type ClaimEntry = ExpectedDevice & { readonly batch: string; readonly claimed_ms?: number }

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
  /** Keeps what a hub said of itself, in the place of what it said before. */
  recordTrust(entry: TrustEntry): Promise<void>
  trust(): Promise<readonly TrustEntry[]>
  /** A one-time code with which a device becomes this hub. Raises `missing` (no such hub) and `conflict` (retired). */
  createCode(hub: string, life_ms?: number): Promise<string>
  /**
   * Spends a code for the device that holds the key with this hash. A hub that already had a certificate of its
   * generation is enrolled anew: its generation rises. The same code with the same key answers the same again, until
   * the code expires, so that a lost answer does not strand a hub. Raises `unauthorized`.
   */
  redeemCode(code: string, key_hash: string): Promise<{ readonly hub: string; readonly generation: number }>
  /** Resolves to how many are new; the same again is no change. Raises `conflict` for a serial that is expected otherwise. */
  expectDevices(batch: string, devices: readonly ExpectedDevice[]): Promise<number>
  /**
   * A device of a batch becomes its hub: once for each serial, and the same again for the same key. Raises `unauthorized`
   * for a serial that is not expected of the batch, and where the hub has a certificate or was retired.
   */
  redeemClaim(
    batch: string,
    serial: string,
    key_hash: string,
  ): Promise<{ readonly hub: string; readonly generation: number }>
  /** Devices that are expected, of one batch when it is named. */
  claims(batch?: string): Promise<readonly ClaimEntry[]>
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
