/**
 * A CA is replaced in three steps, each safe to repeat, and between any two of them everything works: *begin* makes a new root
 * that is trusted and does not sign; *switch* lets it sign, the old one is still trusted; *end* trusts the new one alone.
 */
import { readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { randomHex } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { Administration } from './administration.ts'
import {
  AUTHORITY_FILES,
  caHash,
  makeRoot,
  publish,
  type RootOptions,
  type Roots,
  readOrCreateRoots,
  syncFolder,
  trustedPem,
} from './authority-file.ts'
import { RENEWAL_GRACE_MS } from './limits.ts'

export type RotationStep = 'begin' | 'switch' | 'end'
/** `since_ms`: when this phase began. */
export type Rotation = { readonly phase: 'settled' | 'begun' | 'switched'; readonly since_ms: number }

export function phaseOf({ next, previous }: Roots): Rotation {
  if (next) return { phase: 'begun', since_ms: next.since_ms }
  return previous ? { phase: 'switched', since_ms: previous.since_ms } : { phase: 'settled', since_ms: 0 }
}

/** Takes a step; the same again is no change. Raises `conflict` for one out of its order. */
export async function rotate(folder: string, step: RotationStep, options: RootOptions): Promise<Rotation> {
  const roots = await readOrCreateRoots(folder, options)
  const { phase } = phaseOf(roots)
  if (step === 'begin') {
    if (phase === 'switched')
      throw new Problem('conflict', 'the last rotation is not over: hearth ca rotate --end first')
    if (phase === 'settled') await add(folder, 'next', await makeRoot(options), options)
  }
  if (step === 'switch') {
    if (phase === 'settled') throw new Problem('conflict', 'there is no new CA yet: hearth ca rotate --begin makes it')
    if (phase === 'begun') await swap(folder, options)
  }
  if (step === 'end') {
    if (phase === 'begun')
      throw new Problem('conflict', 'the new CA does not sign yet: hearth ca rotate --switch first')
    if (phase === 'switched') await unlink(join(folder, AUTHORITY_FILES.previous))
  }
  const after = await readOrCreateRoots(folder, options)
  await replace(join(folder, AUTHORITY_FILES.trusted), trustedPem(after), options)
  return phaseOf(after)
}

/**
 * Hubs that the next step would leave behind: those that did not say, by a certificate of the root that signs, that they trust
 * what is trusted now. What they were sent does not count, since an answer may be lost, or be that of a process which has not
 * heard of the step before. A hub that has no certificate, not even one that can be renewed, needs a code in any case.
 */
export async function hubsBehind(
  registry: Pick<Administration, 'hubs' | 'certificates' | 'trust'>,
  trusted_pem: string,
  now_ms: number,
): Promise<readonly string[]> {
  const cas = caHash(trusted_pem)
  const told = new Map(
    (await registry.trust()).filter((said) => said.cas === cas).map((said) => [said.hub, said.serial]),
  )
  const usable = new Map<string, string[]>()
  for (const { source, role, generation, serial, expires_ms, revoked_ms } of registry.certificates()) {
    if (role !== 'hub' || revoked_ms !== undefined || expires_ms + RENEWAL_GRACE_MS <= now_ms) continue
    const name = `${source} ${generation}`
    usable.set(name, [...(usable.get(name) ?? []), serial])
  }
  return registry
    .hubs(now_ms)
    .filter(({ retired_ms }) => retired_ms === undefined || retired_ms > now_ms)
    .filter(({ hub, generation }) => {
      const serials = usable.get(`${hub} ${generation}`) ?? []
      return serials.length > 0 && !serials.includes(told.get(hub) ?? '')
    })
    .map(({ hub }) => hub)
}

/** The old root is kept first, so that no moment has it in no file; a repeat finds it and goes on. */
async function swap(folder: string, options: RootOptions): Promise<void> {
  const active = await readFile(join(folder, AUTHORITY_FILES.active), 'utf8')
  await add(folder, 'previous', active, options)
  await rename(join(folder, AUTHORITY_FILES.next), join(folder, AUTHORITY_FILES.active))
  await syncFolder(folder)
}

async function add(folder: string, name: 'next' | 'previous', pem: string, { clock, random }: RootOptions) {
  const stamped = `since_ms: ${clock.now()}\n${pem.replace(/^since_ms: .*\n/, '')}`
  await publish(join(folder, AUTHORITY_FILES[name]), stamped, 0o600, random)
}

async function replace(path: string, text: string, { random }: RootOptions): Promise<void> {
  const draft = `${path}.${randomHex(random, 4)}.tmp`
  await publish(draft, text, 0o644, random)
  await rename(draft, path)
  await syncFolder(join(path, '..'))
}
