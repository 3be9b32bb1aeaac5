import type { HubBound } from '../../contract/command.ts'
import type { Plant } from '../plant.ts'

/** What a relay sent in a session that is over it sends once more in the next one, before anything else. */
export const sentAgainAfterATakeOver: Plant = {
  name: 'sent again after a take-over',
  breaks: 'a command is sent in its session, or not at all',
  among_relays: true,
  link(link) {
    const last = new Map<string, { readonly epoch: string; readonly message: HubBound }>()
    return {
      send(hub, epoch, message) {
        const before = last.get(hub)
        last.set(hub, { epoch, message })
        if (before && before.epoch !== epoch && before.message.type === 'command')
          link.send(hub, epoch, { ...before.message, epoch })
        return link.send(hub, epoch, message)
      },
    }
  },
}
