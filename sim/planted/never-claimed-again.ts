import type { Plant } from '../plant.ts'

/** A session is claimed once: a directory that forgets never hears of it again. */
export const neverClaimedAgain: Plant = {
  name: 'never claimed again',
  breaks: 'one relay holds a hub, and the directory says which',
  among_relays: true,
  directory(directory) {
    const claimed = new Set<string>()
    return {
      ...directory,
      async claim(hub, epoch) {
        if (claimed.has(`${hub} ${epoch}`)) return { held: true }
        const answer = await directory.claim(hub, epoch)
        if (answer.held) claimed.add(`${hub} ${epoch}`)
        return answer
      },
    }
  },
}
