import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Fills the folder that is named with what `infra/Containerfile` copies: what the package carries, the dependencies of
 * package-lock.json that are not of development, and Node. All of it comes from the checkout, as `npm ci` made it.
 */
const [, , named] = process.argv
if (named === undefined) throw new Error('say into which folder: node infra/image.ts FOLDER')
const target = resolve(named)
const modules = 'node_modules'
const node = `${modules}/node-${process.platform}-${process.arch}`

process.umask(0o022) // the user of the image is another one than who builds it
rmSync(target, { recursive: true, force: true })
mkdirSync(join(target, 'state'), { recursive: true })
execFileSync(process.execPath, ['infra/pack.ts', join(target, 'hearth/dist')], { stdio: 'inherit' })
for (const path of ['package.json', 'LICENSE', 'cli/hearth.js']) cpSync(path, join(target, 'hearth', path))
cpSync(`${node}/bin/node`, join(target, 'node'))

type Locked = { readonly packages: Readonly<Record<string, { readonly dev?: boolean }>> }
const { packages }: Locked = JSON.parse(readFileSync('package-lock.json', 'utf8'))
for (const [path, { dev }] of Object.entries(packages)) {
  // Optional ones are there for this machine's platform alone.
  if (!path.startsWith(modules) || dev || path === node || /(^|\/)@types\//.test(path) || !existsSync(path)) continue
  const own = (file: string) => !file.slice(path.length).startsWith(`/${modules}`) && !/\.([cm]?ts|map)$/.test(file)
  cpSync(path, join(target, path), { recursive: true, filter: own })
}

// An image without a shell has no /usr/bin/env to find `node` by.
mkdirSync(join(target, 'hearth/bin'))
const command = join(target, 'hearth/bin/hearth')
writeFileSync(command, "#!/usr/local/bin/node\nimport '../cli/hearth.js'\n")
chmodSync(command, 0o755)
