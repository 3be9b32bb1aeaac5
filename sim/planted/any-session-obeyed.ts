import type { Plant } from '../plant.ts'

/** Relays do not hear that a hub moved, and the hub does what comes through a session that is over. */
export const anySessionObeyed: Plant = {
  name: 'any session is obeyed',
  breaks: 'a command is executed in its time, and in order',
  among_relays: true,
  directory: (directory) => ({
    ...directory,
    watch: (listener) => directory.watch({ moved: () => undefined, anew: () => listener.anew() }),
  }),
  executor: (executor) => ({
    get waiting() {
      return executor.waiting
    },
    begin: () => undefined,
    listens: () => executor.listens(),
    receive: (message) => executor.receive(message),
    close: () => executor.close(),
  }),
}
