import { describe, expect, test } from 'vitest'
import { keepLine, lastWords, readLogLine } from './last-words.ts'
import { LAST_LINES_MAX, LINE_MAX_CHARACTERS } from './limits.ts'

const logged = (level: string, msg: string) => JSON.stringify({ level, process: 'ingest', event: 'x', msg })

describe('the last words of a process', () => {
  test('are what it reported itself, without colours', () => {
    const lines = [logged('warn', 'slow'), '\u001b[31mhearth:\u001b[39m cannot listen on 127.0.0.1:8884: is in use']
    expect(lastWords(lines)).toBe('cannot listen on 127.0.0.1:8884: is in use')
  })

  test('are the error that it died of, not the end of its stack', () => {
    const lines = [
      logged('info', 'telemetry on mqtts://127.0.0.1:8884'),
      'file:///hearth/ingest/writer.ts:12',
      '    throw new TypeError()',
      '          ^',
      '',
      "TypeError: Cannot read properties of undefined (reading 'x')",
      '    at run (file:///hearth/ingest/writer.ts:12:3)',
      '    at async main (file:///hearth/cli/main.ts:99:5)',
      '',
      'Node.js v24.21.0',
    ]
    expect(lastWords(lines)).toBe("TypeError: Cannot read properties of undefined (reading 'x')")
    expect(lastWords(['hearth: this is a bug, please report it', ...lines.slice(5)])).toContain(
      'Cannot read properties',
    )
  })

  test('are else its last trouble, else its last line, in words and not in JSON', () => {
    expect(lastWords([logged('warn', 'the disk is full'), logged('info', 'committed')])).toBe('the disk is full')
    expect(lastWords([logged('info', 'telemetry on …')])).toBe('telemetry on …')
    expect(lastWords(['some words', 'Node.js v24.21.0'])).toBe('some words')
    expect(lastWords([])).toBeUndefined()
  })

  test('come from a bounded memory', () => {
    const lines: string[] = []
    for (let i = 0; i < LAST_LINES_MAX + 5; i++) keepLine(lines, `line ${i}`)
    keepLine(lines, '   ')
    keepLine(lines, 'x'.repeat(LINE_MAX_CHARACTERS + 1))
    expect(lines).toHaveLength(LAST_LINES_MAX)
    expect(lines.at(-1)).toHaveLength(LINE_MAX_CHARACTERS)
  })

  test('are read from lines that only look like a log too', () => {
    expect(readLogLine('{ not json')).toBeUndefined()
    expect(readLogLine('{"a":1}')).toBeUndefined()
    expect(readLogLine(logged('info', 'hello'))).toEqual({ level: 'info', message: 'hello' })
  })
})
