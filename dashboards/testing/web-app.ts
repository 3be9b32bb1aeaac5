import { globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'

const WEB = join(import.meta.dirname, '../web')

/** Builds the web app when a source of it is newer than what was built, so that a test never looks at an old one. */
export async function freshWebApp(): Promise<void> {
  const built = statSync(join(WEB, 'dist/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = globSync(['index.html', 'public/*', 'src/**/*'], { cwd: WEB })
  if (sources.some((path) => statSync(join(WEB, path)).mtimeMs > built)) await build({ root: WEB, logLevel: 'warn' })
}
