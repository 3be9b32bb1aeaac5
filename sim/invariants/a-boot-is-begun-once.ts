import { compareEpochs, parseBoot, parseEpoch } from '../../contract/source.ts'
import type { Invariant } from '../evidence.ts'

/**
 * No crash makes a hub begin a boot number again. A restored disk does, until it is told how far to jump: no session is
 * let in that is not above all before (relay.md, In order).
 */
export const aBootIsBegunOnce: Invariant = {
  name: 'a boot is begun once',
  check({ connects }) {
    return [...connects].flatMap(([hub, all]) => {
      const wrong = new Set<string>()
      const boots = new Map<string, string>()
      for (const { boot, restores } of all) {
        const key = `${restores} ${parseBoot(boot).counter}`
        const before = boots.get(key) ?? boot
        if (before !== boot) wrong.add(`${hub} began ${before}, and then ${boot}`)
        boots.set(key, boot)
      }
      const sessions = all.filter(({ accepted }) => accepted)
      sessions.forEach(({ epoch }, i) => {
        const before = sessions[i - 1]
        if (before && !before.forgotten && compareEpochs(parseEpoch(epoch), parseEpoch(before.epoch)) <= 0)
          wrong.add(`${hub} was let in as ${before.epoch}, and then as ${epoch}`)
      })
      return [...wrong]
    })
  },
}
