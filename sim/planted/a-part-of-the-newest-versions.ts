import type { Plant } from '../plant.ts'

/** A part reads the tables as they are when it begins, whatever versions its task names. */
export const aPartOfTheNewestVersions: Plant = {
  name: 'a part of the newest versions',
  breaks: 'every process goes on',
  table: (table, _, committer) => (committer === 'part' ? { ...table, snapshot: () => table.snapshot() } : table),
}
