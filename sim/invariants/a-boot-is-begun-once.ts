import { compareEpochs, parseBoot, parseEpoch } from '../../contract/source.ts'
import type { Invariant } from '../evidence.ts'

/** No crash makes a hub begin a boot number again, and no session is let in twice (relay.md, In order). */
export const aBootIsBegunOnce: Invariant = {
  name: 'a boot is begun once',
  check({ connects }) {
    return [...connects].flatMap(([hub, all]) => {
      const wrong = new Set<string>()
      const boots = new Map<number, string>()
      for (const { boot } of all) {
        const { counter } = parseBoot(boot)
        const before = boots.get(counter) ?? boot
        if (before !== boot) wrong.add(`${hub} began ${before}, and then ${boot}`)
        boots.set(counter, boot)
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
