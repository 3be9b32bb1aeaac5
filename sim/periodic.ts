import { isProblem } from '../contract/problem.ts'
import { Machine } from './machine.ts'
import type { Life, World } from './world.ts'

/** A process that does one thing again and again, with random pauses. It ends by any error, and begins anew. */
export function periodic(
  world: World,
  name: string,
  every_ms: number,
  open: (life: Life) => Promise<() => Promise<void>>,
): Machine<boolean> {
  const machine: Machine<boolean> = new Machine(world, name, async (life) => {
    const work = await open(life)
    const loop = async () => {
      for (;;) {
        await world.pause(life, world.between(0, 2 * every_ms))
        try {
          await work()
          machine.goesOn()
        } catch (error) {
          // Who slept past a retention finds that what he works on is gone, and plans anew.
          if (!isProblem(error, 'missing')) throw error
          world.trace(name, `plans anew: ${error.message}`)
        }
      }
    }
    loop().catch((error: unknown) => machine.fail(life, error))
    return true
  })
  return machine
}
