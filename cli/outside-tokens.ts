import { Problem } from '../contract/problem.ts'
import { openJwtKeys } from '../registry/jwt-keys.ts'
import { type OutsideTokens, openOutsideTokens } from '../registry/jwt-tokens.ts'
import type { CliContext } from './context.ts'
import { readSetting } from './setting-file.ts'

/** Tokens of the issuer that is configured, and what ends the look for its keys; undefined where none is. Raises `invalid`. */
export async function outsideTokens(
  { config, clock }: Pick<CliContext, 'config' | 'clock'>,
  note: (text: string) => void,
): Promise<{ readonly tokens: OutsideTokens; readonly close: () => void } | undefined> {
  const { issuer, audience, jwks_url, jwks_file, tolerance_s } = config.tokens
  const given = [issuer, audience, jwks_url, jwks_file].filter((value) => value !== '')
  if (given.length === 0) return undefined
  if (issuer === '' || audience === '' || (jwks_url === '') === (jwks_file === '')) {
    throw new Problem(
      'invalid',
      'tokens of an issuer need tokens.issuer, tokens.audience, and one of tokens.jwks_url and tokens.jwks_file',
    )
  }
  if (jwks_file !== '') readSetting('tokens.jwks_file', jwks_file)
  const source = jwks_file === '' ? { url: jwks_url } : { file: jwks_file }
  const keys = await openJwtKeys(source, { clock, note })
  return { tokens: openOutsideTokens({ issuer, audience, tolerance_s, keys, clock }), close: () => keys.close() }
}
