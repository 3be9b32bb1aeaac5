import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall } from '../apt.ts'

/** Debian keeps each version's programs in a folder of its own. */
const VERSIONS = '/usr/lib/postgresql'

/** Folder of Postgres's programs, the newest there is; throws saying what is missing. */
export async function postgresPrograms(): Promise<string> {
  const find = () =>
    (existsSync(VERSIONS) ? readdirSync(VERSIONS) : [])
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(VERSIONS, version, 'bin'))
      .find((folder) => existsSync(join(folder, 'initdb')))
  await aptInstall(() => (find() ? [] : ['postgresql']))
  const found = find()
  if (found) return found
  throw new Error('no Postgres: install the package postgresql (Debian)')
}
