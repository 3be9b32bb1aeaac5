import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { endingOf } from './ending.ts'

const reason = new Error('SIGINT')
const on = new AbortController().signal
const off = AbortSignal.abort(reason)
const stopped = 'stopped; what was not committed is due again'
const end = { code: 130, told: stopped, isFault: true }

test.each([
  ['its reason', reason],
  ['what comes from it', new Error('the part was left', { cause: reason })],
  ['a fault of the world that comes from it', new Problem('unavailable', 'S3 gave no answer', { cause: reason })],
  ['what a client says that was told of it', Object.assign(new Error('Request aborted'), { name: 'AbortError' })],
  ['it, and again while it closed', new SuppressedError(reason, new Error('closed', { cause: reason }))],
])('the end that a signal asks for is one line and no bug: %s', (_, error) => {
  expect(endingOf(error, off, stopped)).toEqual(end)
})

test('a bug that comes to light in the end is one', () => {
  for (const error of [new Error('no'), new SuppressedError(new Error('no'), reason)])
    expect(endingOf(error, off, stopped)).toMatchObject({ code: 130, isFault: false })
})

test('what may have happened is told although a signal came', () => {
  const told = 'the commit may stand'
  const error = new Problem('unavailable', told, { outcome: 'unknown', cause: reason })
  expect(endingOf(error, off, stopped)).toEqual({ code: 130, told, isFault: true })
})

test('what fails with no signal is wrong use, a fault of the world, or a bug', () => {
  const codeOf = (error: unknown) => endingOf(error, on).code
  expect(codeOf(new Problem('invalid', 'no such option'))).toBe(2)
  expect(codeOf(new Problem('unavailable', 'S3 is away'))).toBe(1)
  expect(codeOf(Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' }))).toBe(1)
  expect(codeOf(reason)).toBe(70)
  expect(codeOf(Object.assign(new Error('(outputHelp)'), { exitCode: 0 }))).toBe(0)
})
