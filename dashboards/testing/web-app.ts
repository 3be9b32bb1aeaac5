import { execFileSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { join } from 'node:path'

const WEB = join(import.meta.dirname, '../web')

/** Builds the web app when a source of it is newer than what was built, so that a test never looks at an old one. */
export function freshWebApp(): void {
  const built = statSync(join(WEB, 'dist/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = globSync(['index.html', '*.ts', 'public/*', 'src/**/*'], { cwd: WEB })
  if (!sources.some((path) => statSync(join(WEB, path)).mtimeMs > built)) return
  // In a process of its own, as `npm run build` does: within a test run it would be the development build.
  execFileSync(join(WEB, '../../node_modules/.bin/vite'), ['build', WEB, '--logLevel', 'warn'], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: 'inherit',
  })
}
