import type { Plant } from '../plant.ts'

/** A hub takes the time that a command has left as it says, however long it lay in a half-open socket. */
export const transitNotCounted: Plant = {
  name: 'transit not counted',
  breaks: 'a command is executed in its time, and in order',
  among_relays: true,
  executor: (executor) => ({
    get waiting() {
      return executor.waiting
    },
    begin: (epoch) => executor.begin(epoch),
    listens: () => executor.listens(),
    receive: (message) => executor.receive(message.type === 'command' ? { ...message, left_ms: 60_000 } : message),
    close: () => executor.close(),
  }),
}
