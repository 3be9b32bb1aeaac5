import type { AddFile } from '../../lake/action.ts'

type Hours = { readonly inputs: Record<string, number>; revision: number }

/** A file of a metric whose ledger says something else of its hours. */
export function rewritten(add: AddFile, change: (hours: Hours) => void): AddFile {
  const made = add.tags?.['made']
  if (made === undefined) return add
  const groups: Hours[] = JSON.parse(made)
  for (const group of groups) change(group)
  return { ...add, tags: { ...add.tags, made: JSON.stringify(groups) } }
}
