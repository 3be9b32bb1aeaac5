import { readFileSync } from 'node:fs'
import { messageOf, Problem } from '../contract/problem.ts'

/** The text of the file that a setting names. Raises `invalid`, naming the setting. */
export function readSetting(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem('invalid', `${key}: ${messageOf(cause)}`, { cause })
  }
}
