import type { AddHelpTextContext, Command } from 'commander'

/** Help of a group of commands, for `addHelpText('afterAll', …)`: all of it for the group, each command's own lines for it. */
export function examplesOf(text: string): (context: AddHelpTextContext) => string {
  return ({ command }) => {
    const path = pathOf(command)
    if (path.length <= 2) return text
    const own = text.split('\n').filter((line) => `${line.trim()} `.startsWith(`${path.join(' ')} `))
    return own.length === 0 ? '' : `\n${own.length === 1 ? 'Example' : 'Examples'}:\n${own.join('\n')}`
  }
}

/** `hearth registry token create` */
export function pathOf(command: Command): readonly string[] {
  return command.parent ? [...pathOf(command.parent), command.name()] : [command.name()]
}
