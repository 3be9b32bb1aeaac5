import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { PeerService, Peers } from '../relay/peers.ts'
import { leave } from './network.ts'
import type { Plant } from './plant.ts'
import type { Life, World } from './world.ts'

/** One way between relays, ms. */
const WAY_MS = 2
/** Who hears nothing for so long knows that the connection is gone. */
const SILENCE_MS = 3_000

export type Reached = { readonly life: Life; readonly service: PeerService }
/** A command that came to another relay: by which process of a front, and whether that refused it, so that nothing was issued. */
export type Arrival = {
  readonly command: string
  readonly from: Life
  readonly at: string
  readonly at_ms: number
  refused: boolean
}

/**
 * The links between relays. A link counts its way (relay/peers.ts): a command comes with what is then left of its time, and
 * not at all once nothing is.
 */
export function simPeers(options: {
  readonly world: World
  readonly life: Life
  readonly relay: (address: string) => Reached | undefined
  readonly plant: Plant | undefined
  readonly idOf: (command: Parameters<PeerService['issue']>[0]) => string
  /** It is not known whether it came, or what came of it. */
  readonly broke: (command: string) => void
  readonly arrived: (arrival: Arrival) => void
}): Peers {
  const { world, life } = options

  const unknown = (why: string) => new Problem('unavailable', `no answer of the relay: ${why}`, { outcome: 'unknown' })

  /** Asks the relay at `address`; `question` is given how long it was on its way, ms, or says that it came too late. */
  function ask<T>(
    address: string,
    id: string,
    question: (at: Reached, way_ms: number) => Promise<T> | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let over = false
      const fail = (why: string) => {
        if (over) return
        over = true
        options.broke(id)
        world.trace(life.name, `heard nothing about ${id}: ${why}`)
        world.later(life, world.between(0, SILENCE_MS), () => reject(unknown(why)))
      }
      if (!options.relay(address)) {
        world.later(life, world.between(0, 2 * WAY_MS), () => reject(new Problem('unavailable', `${address} is down`)))
        return
      }
      const left_ms = world.scheduler.now_ms
      world.trace(life.name, `asks ${address} about ${id}`)
      const strike = leave(world, life, 'net.forward')
      if (!strike) return
      if (strike.cut) {
        fail('the connection ended')
        return
      }
      const answer = (at: Reached, tell: () => void) => {
        if (!at.life.alive) return
        const back = leave(world, at.life, 'net.told')
        if (!back) return fail('it died')
        if (back.cut) return fail('the connection ended')
        world.later(life, world.between(0, 2 * WAY_MS) + back.delay_ms, () => {
          over = true
          tell()
        })
        return undefined
      }
      const arrive = () => {
        const at = options.relay(address)
        if (!at) {
          fail('it died')
          return
        }
        world.awake(at.life, () => {
          const asked = question(at, world.scheduler.now_ms - left_ms)
          if (!asked) return
          asked.then(
            (said) => answer(at, () => resolve(said)),
            (error: unknown) => {
              if (!(error instanceof Problem)) world.bugs.push(`${at.life.name}: ${messageOf(error)}`)
              answer(at, () => reject(error))
            },
          )
        })
      }
      // A link is a stream: nothing comes twice, but for what is asked again.
      world.scheduler.after(world.between(0, 2 * WAY_MS) + strike.delay_ms, arrive)
      // Of one that dies with the command in its hands nothing comes, but the end of the connection.
      const watch = () => {
        if (over) return
        if (options.relay(address)) world.later(life, SILENCE_MS, watch)
        else fail('it died')
      }
      world.later(life, SILENCE_MS, watch)
    })
  }

  return {
    at: (address) => ({
      issue: (command, answer) =>
        ask(address, options.idOf(command), (at, way_ms) => {
          const left_ms = Math.floor(command.deadline_ms - (options.plant?.way?.(way_ms) ?? way_ms))
          if (left_ms <= 0) return undefined
          const arrival = {
            command: options.idOf(command),
            from: life,
            at: at.life.name,
            at_ms: world.scheduler.now_ms,
            refused: false,
          }
          options.arrived(arrival)
          world.trace(arrival.at, `is asked by ${life.name} for ${arrival.command}`)
          const issued = at.service.issue({ ...command, deadline_ms: left_ms }, answer)
          issued.then(
            ({ away }) => {
              arrival.refused = away
            },
            (error: unknown) => {
              arrival.refused = isProblem(error) && error.outcome === 'did-not-happen'
            },
          )
          return issued
        }),
      find: (id) => ask(address, id, (at) => at.service.find(id)),
    }),
  }
}
