import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Fills `dist/` with what the published package runs: JavaScript and declarations, and beside them the files that the
 * code reads. Node strips no types under node_modules, so the package cannot carry the TypeScript alone.
 */
const ASSETS = ['jobs/metrics/*.sql', 'dashboards/web/dist/**/*']

rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })

// tsc rewrites the paths of imports; those of workers and child processes are made by `new URL('./x.ts', import.meta.url)`.
for (const file of globSync('dist/**/*.js')) {
  const text = readFileSync(file, 'utf8')
  const rewritten = text.replace(/new URL\((['"])(\.[^'"]+)\.ts\1/g, 'new URL($1$2.js$1')
  if (rewritten !== text) writeFileSync(file, rewritten)
}

for (const path of ASSETS.flatMap((pattern) => globSync(pattern))) {
  const target = join('dist', path)
  mkdirSync(dirname(target), { recursive: true })
  cpSync(path, target, { recursive: true })
}
