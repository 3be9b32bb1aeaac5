import type { Invariant } from '../evidence.ts'

/** Who opens the table sees a version as its commits made it, and none older than what was there when he asked. */
export const aReaderSeesWhatWasCommitted: Invariant = {
  name: 'a reader sees what was committed',
  check({ readings, archive }) {
    return readings.flatMap(({ who, began_ms, snapshot }) => {
      const { version } = snapshot
      const newest = archive.versionAt(began_ms)
      if (version > archive.newest) return [`${who} saw version ${version}, and there is none`]
      const truth = archive.snapshot(version)
      return [
        ...(version < newest ? [`${who} saw version ${version} when ${newest} was there`] : []),
        ...(sameKeys(snapshot.files, truth.files) ? [] : [`${who} saw other files in version ${version}`]),
        ...(sameKeys(snapshot.removed, truth.removed) ? [] : [`${who} saw other files gone in version ${version}`]),
        ...(sameKeys(snapshot.txns, truth.txns) && [...truth.txns].every(([id, at]) => snapshot.txns.get(id) === at)
          ? []
          : [`${who} saw other txns in version ${version}`]),
      ]
    })
  },
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a === b || (a.size === b.size && [...a.keys()].every((key) => b.has(key)))
}
