import type { Plant } from '../plant.ts'

/** The hub's journal is not on the disk when the device is asked: a power cut takes it, and a repeat is done again. */
export const journalSyncedAfter: Plant = {
  name: 'journal synced after the device',
  breaks: 'a command is executed at most once',
  among_relays: true,
  hubDisk: (disk) => ({ ...disk, sync: async () => undefined }),
}
