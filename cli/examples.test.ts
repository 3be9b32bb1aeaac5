import type { Command } from 'commander'
import { beforeAll, expect, test } from 'vitest'
import { COMMANDS, newProgram } from './commands.ts'
import { configSchema } from './config.ts'
import type { CliContext } from './context.ts'
import { pathOf } from './examples.ts'
import { machineClock, machineRandom } from './machine.ts'

const program = newProgram()
let commands: readonly Command[]

beforeAll(async () => {
  const context: CliContext = {
    ...{ home: '/nowhere', config: configSchema.parse({}), clock: machineClock, random: machineRandom },
    print: () => {},
    note: () => {},
    signal: new AbortController().signal,
  }
  for (const { load } of COMMANDS) (await load()).register(program, context)
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]
  commands = all(program)
})

/** What `--help` prints. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
}

/** The lines under Example or Examples, as words; without the explanation at their end and a shell's own. */
function examplesIn(help: string): string[][] {
  return [...help.matchAll(/^ {2}(?:HEARTH_\w+=\S+ )?hearth (.*)$/gm)].map(([, line = '']) =>
    [...(line.split(/ {3,}| > /)[0] ?? '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
      ([, double, single, bare]) => double ?? single ?? bare ?? '',
    ),
  )
}

test('--help of every command and subcommand has an example of it', () => {
  expect(commands.length).toBeGreaterThan(30)
  for (const command of commands) {
    const [, ...path] = pathOf(command)
    const own = examplesIn(helpOf(command)).filter((words) => path.every((name, i) => words[i] === name))
    expect(own.length, pathOf(command).join(' ')).toBeGreaterThan(0)
  }
})

test('every example is accepted as it stands', async () => {
  const ran: string[] = []
  for (const command of commands.slice(1)) {
    command.exitOverride().action(() => void ran.push(pathOf(command).join(' ')))
  }
  for (const words of commands.flatMap((command) => examplesIn(helpOf(command)))) {
    const before = ran.length
    await program.parseAsync(words, { from: 'user' })
    expect(ran.length, words.join(' ')).toBe(before + 1)
  }
  const single = commands.filter((command) => command.commands.length === 0)
  expect(ran).toEqual(expect.arrayContaining(single.map((command) => pathOf(command).join(' '))))
})

test('every command says what it is for, and every option what it means', () => {
  for (const command of commands) {
    expect(command.description(), pathOf(command).join(' ')).not.toBe('')
    for (const option of command.options)
      expect(option.description, `${pathOf(command).join(' ')} ${option.flags}`).toBeTruthy()
  }
})
