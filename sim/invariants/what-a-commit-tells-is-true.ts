import type { Invariant } from '../evidence.ts'

/** One who commits is told that it happened only when it did, and that it did not only when it did not. */
export const whatACommitTellsIsTrue: Invariant = {
  name: 'what a commit tells is true',
  check({ claims, archive }) {
    const { entries } = archive
    const versions = new Map(entries.map(({ commit }) => [commit.info?.hearth?.id, commit.version]))
    return claims.flatMap(({ id, who, told, version }) => {
      const at = versions.get(id)
      if (told === 'committed' && (at === undefined || at !== version))
        return [`${who} was told that ${id} is version ${version}; it is ${at ?? 'none'}`]
      return told === 'refused' && at !== undefined
        ? [`${who} was told that ${id} did not happen; it is version ${at}`]
        : []
    })
  },
}
