import { compareEpochs, parseBoot, parseEpoch } from '../../contract/source.ts'
import type { Invariant } from '../evidence.ts'

/**
 * No crash makes a hub begin a boot number again. A restored disk does, until it is told how far to jump: no session is
 * let in that is not above all before (relay.md, In order).
 */
export const aBootIsBegunOnce: Invariant = {
  name: 'a boot is begun once',
  check({ boots, connects }) {
    const again = [...boots].flatMap(([hub, all]) =>
      all.flatMap(({ boot, restores }, i) => {
        const before = all[i - 1]
        return before?.restores === restores && counterOf(before.boot) >= counterOf(boot)
          ? [`${hub} began ${before.boot}, and then ${boot}`]
          : []
      }),
    )
    const letIn = [...connects].flatMap(([hub, all]) => {
      const wrong = new Set<string>()
      const sessions = all.filter(({ accepted }) => accepted)
      sessions.forEach(({ epoch }, i) => {
        const before = sessions[i - 1]
        if (before && !before.forgotten && compareEpochs(parseEpoch(epoch), parseEpoch(before.epoch)) <= 0)
          wrong.add(`${hub} was let in as ${before.epoch}, and then as ${epoch}`)
      })
      return [...wrong]
    })
    return [...again, ...letIn]
  },
}

/** All boots here are of one generation; the random digits hide that a number came again. */
function counterOf(boot: string): number {
  return parseBoot(boot).counter
}
