import { spawnSync } from 'node:child_process'
import { debianProgram } from './debian.ts'

/** Path of a promtool. Throws saying what is missing. */
export const promtool = (): string => debianProgram('promtool', 'prometheus')

/** Runs promtool on `input`; throws with all that it said unless it is content. */
export function runPromtool(words: readonly string[], cwd: string, input = ''): string {
  const { status, stdout, stderr } = spawnSync(promtool(), words, { cwd, input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`promtool ${words.join(' ')} exited with ${status}:\n${stdout}${stderr}`)
  return stdout
}
