import { Problem } from '../contract/problem.ts'
import type { RedisPlace } from '../contract/redis-place.ts'
import { readSetting } from './setting-file.ts'

/** A Redis as the settings `<key>`, `<key>_ca_file` and `<key>_password_file` have it; undefined where there is none. Raises `invalid` for its files. */
export function redisPlace(
  key: string,
  { url, ca_file, password_file }: { readonly url: string; readonly ca_file: string; readonly password_file: string },
): RedisPlace | undefined {
  if (url === '') return undefined
  if (ca_file !== '' && !url.startsWith('rediss:'))
    throw new Problem('invalid', `${key}_ca_file is for TLS: begin ${key} with rediss://`)
  const file = (name: string, path: string) => (path === '' ? undefined : readSetting(`${key}_${name}`, path))
  return { url, ca: file('ca_file', ca_file), password: file('password_file', password_file)?.trim() }
}
