import { type Command, InvalidArgumentError } from 'commander'
import { Problem } from '../contract/problem.ts'

/** Values of options, checked where they are parsed: what is wrong is wrong use (exit code 2), and names the option. */

/** A number above 0. */
export function positive(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('expected a number above 0')
}

/** A whole number within bounds, both inclusive. */
export function whole(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isInteger(value) && value >= from && value <= to) return value
    throw new InvalidArgumentError(`expected a whole number from ${from} to ${to}`)
  }
}

/** The options of `names` (as an action gets them) that the user gave, as they are written: `--at-rest`. */
export function flagsGiven(command: Command, ...names: readonly string[]): string[] {
  return command.options
    .filter((option) => names.includes(option.attributeName()))
    .filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli')
    .map(({ long, flags }) => long ?? flags)
}

/** Of options that would be ignored without another. Raises `invalid` where some were given, and that one `isThere` not. */
export function goWith(other: string, isThere: boolean, options: readonly string[]): void {
  if (isThere || options.length === 0) return
  const go = options.length === 1 ? 'goes' : 'go'
  throw new Problem('invalid', `${options.join(', ')} ${go} with ${other}, which was not given`)
}
