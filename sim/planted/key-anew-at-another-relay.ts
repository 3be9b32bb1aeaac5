import type { Plant } from '../plant.ts'

/** A relay that does not hold the hub makes the key of a command itself, so that a retry there is another command. */
export const keyAnewAtAnotherRelay: Plant = {
  name: 'key anew at another relay',
  breaks: 'a command is executed at most once',
  among_relays: true,
  cluster(cluster, core) {
    let made = 0
    return {
      ...cluster,
      issue: (request, answer) =>
        cluster.issue(core.holds(request.hub) ? request : { ...request, key: `${request.key}-${made++}` }, answer),
    }
  },
}
