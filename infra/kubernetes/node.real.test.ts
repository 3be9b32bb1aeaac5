import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { openNode } from './node.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'

test.runIf(root || required)(
  'what an owner left that was killed ends by itself, and the next removes the rest',
  async () => {
    const open = `const { openNode } = await import('${join(import.meta.dirname, 'node.ts')}')
    const { folder, enter } = await openNode('192.168.77.1')
    console.log(JSON.stringify({ folder, enter }))
    setInterval(() => {}, 1000)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', open], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(owner.stdout, 'data')) as [Buffer]
    const { folder, enter } = JSON.parse(line.toString()) as {
      readonly folder: string
      readonly enter: readonly string[]
    }
    const [command = '', ...words] = enter
    const inside = spawn(command, [...words, 'sleep', 'infinity'])
    // Until it is reaped a process that was killed is still there.
    const ended = Promise.all([once(inside, 'exit'), once(owner, 'exit')])
    await once(inside, 'spawn')
    const cgroups = () => globSync(`/sys/fs/cgroup/{,*/}${basename(folder)}`)
    expect([existsSync(folder), cgroups().length > 0]).toEqual([true, true])

    owner.kill('SIGKILL')
    await ended
    expect(existsSync(folder)).toBe(true)
    await using next = await openNode('192.168.77.1')
    expect([existsSync(folder), cgroups(), existsSync(next.folder)]).toEqual([false, [], true])
  },
)
