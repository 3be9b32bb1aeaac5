import { formatEpoch, parseEpoch } from '../../contract/source.ts'
import type { Plant } from '../plant.ts'

/** A relay that claims its sessions once more raises their epoch, so that it surely wins. */
export const healedWithAHigherEpoch: Plant = {
  name: 'healed with a higher epoch',
  breaks: 'a place is of the newest session, by its hub’s own epoch',
  among_relays: true,
  directory(directory) {
    const claimed = new Set<string>()
    return {
      ...directory,
      claim(hub, epoch) {
        const is_again = claimed.has(`${hub} ${epoch}`)
        claimed.add(`${hub} ${epoch}`)
        const asked = parseEpoch(epoch)
        return directory.claim(hub, is_again ? formatEpoch({ ...asked, connect: asked.connect + 1 }) : epoch)
      },
    }
  },
}
