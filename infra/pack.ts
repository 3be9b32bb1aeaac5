import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { rolldown } from 'rolldown'

/**
 * Fills `dist/`, or the folder that is named, with what the published package runs: JavaScript and declarations, and beside
 * them the files that the code reads. Node strips no types under node_modules, so the package cannot carry the TypeScript
 * alone.
 */
const target = resolve(process.argv[2] ?? 'dist')

rmSync(target, { recursive: true, force: true })
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', target], { stdio: 'inherit' })
const pages = join(target, 'dashboards/web/dist')
execFileSync(
  'node_modules/.bin/vite',
  ['build', 'dashboards/web', '--logLevel', 'warn', '--emptyOutDir', '--outDir', pages],
  // A test's own would change what is made.
  { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'production' } },
)

// tsc rewrites the paths of imports; those of workers and child processes are made by `new URL('./x.ts', import.meta.url)`.
for (const file of globSync(`${target}/**/*.js`, { exclude: [`${pages}/**`] })) {
  const text = readFileSync(file, 'utf8')
  const rewritten = text.replace(/new URL\((['"])(\.[^'"]+)\.ts\1/g, 'new URL($1$2.js$1')
  if (rewritten !== text) writeFileSync(file, rewritten)
}

// A process that is one hub runs it from few, small modules: on a small machine each is memory (docs/decisions/121).
const INSIDE = /^(commander|mqtt|mqtt-packet|pino|zod)(\/|$)/
const isPackage = (id: string) => /^[^./]/.test(id)
const small = await rolldown({
  input: join(target, 'cli/main.js'),
  platform: 'node',
  // The target may stand elsewhere.
  resolve: { modules: ['node_modules', resolve('node_modules')] },
  external: (id, importer = '') => {
    if (importer.endsWith('/cli/commands.js'))
      return id.startsWith('./') && !/^\.\/(context|examples|hub|version)\.js$/.test(id)
    // What those inside need is inside too.
    return importer.startsWith(target) && isPackage(id) && !INSIDE.test(id)
  },
})
await small.write({ dir: join(target, 'small'), format: 'esm', minify: true })
await small.close()

for (const path of globSync(['jobs/metrics/*.sql', 'jobs/objectives/*.yaml'])) {
  mkdirSync(dirname(join(target, path)), { recursive: true })
  cpSync(path, join(target, path))
}
