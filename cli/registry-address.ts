import { Problem } from '../contract/problem.ts'
import type { PostgresAddress } from '../registry/postgres-line.ts'
import type { Config } from './config.ts'
import { readSetting } from './setting-file.ts'

/** May a value of `registry.url` be one? */
export function isPostgresUrl(text: string): boolean {
  if (text === '') return true
  const url = URL.parse(text)
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '') return false
  const isPlain = /^\/[^/]+$/.test(url.pathname) && url.search === '' && url.hash === ''
  return isPlain && !/%(?![0-9a-f]{2})/i.test(url.username + url.password + url.pathname)
}

/** Where Postgres is and how one comes in; undefined when the registry is a file. Raises `invalid` for a file that cannot be read. */
export function registryAddress({ url, ca_file, password_file }: Config['registry']): PostgresAddress | undefined {
  if (url === '') {
    if (ca_file === '' && password_file === '') return undefined
    throw new Problem('invalid', 'registry.ca_file and registry.password_file are for Postgres: set registry.url too')
  }
  return {
    url,
    ...(ca_file === '' ? {} : { ca: readSetting('registry.ca_file', ca_file) }),
    ...(password_file === '' ? {} : { password: readSetting('registry.password_file', password_file).trim() }),
  }
}
