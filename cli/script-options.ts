import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { messageOf } from '../contract/problem.ts'

/** The options that a script of the checkout was given; undefined for wrong use, which was told on standard error. */
export function scriptOptions<T extends ParseArgsOptionsConfig>(options: T) {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    const names = Object.keys(options).map((name) => `--${name}`)
    process.stderr.write(`${messageOf(error)}; there are ${names.join(', ')}\n`)
    return undefined
  }
}
