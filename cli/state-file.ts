/** Files of the state folder that must be whole and there after a power cut: certificates, the plan of the demo. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from '../link/folder.ts'

/** Where a file is until it has its name. */
export function draftOf(path: string): string {
  return `${path}.new`
}

/** Writes files of one folder so that a death between any two steps leaves each old or new, and never torn. */
export function writeFiles(files: readonly (readonly [path: string, text: string])[]): void {
  for (const [path, text] of files) draft(path, text)
  settleFiles(files.map(([path]) => path))
}

/** Gives drafts that are there their names, in this order. */
export function settleFiles(paths: readonly string[]): void {
  for (const path of paths) if (existsSync(draftOf(path))) renameSync(draftOf(path), path)
  for (const folder of new Set(paths.map((path) => dirname(path)))) syncFolder(folder)
}

function draft(path: string, text: string): void {
  const file = openSync(draftOf(path), 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
