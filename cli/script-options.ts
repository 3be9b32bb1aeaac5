import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { messageOf } from '../contract/problem.ts'

/** The options that a script of the checkout was given; undefined for wrong use, which was told on standard error. */
export function scriptOptions<T extends ParseArgsOptionsConfig>(options: T) {
  return scriptWords(options, false)?.values
}

/** The same for a script that takes words beside its options; `--no-x` takes an option back. */
export function scriptWords<T extends ParseArgsOptionsConfig>(options: T, allowPositionals = true) {
  try {
    return parseArgs({ options, allowPositionals, allowNegative: allowPositionals })
  } catch (error) {
    const names = Object.keys(options).map((name) => `--${name}`)
    // What Node advises after that is about words that begin with a dash.
    const [said] = messageOf(error).split('. To specify')
    process.stderr.write(`${said}; there are ${names.join(', ')}\n`)
    return undefined
  }
}
