import { describe, expect, it } from 'vitest'
import { bytes, counted, durationText, percent, significant, tick, whole } from './number-format.ts'

describe('numbers', () => {
  it('have three significant digits, and thin separators in whole ones', () => {
    expect([0.0412, 0.412, 4.118, 41.18, 411.8, 4118, 0].map(significant)).toEqual([
      '0.0412',
      '0.412',
      '4.12',
      '41.2',
      '412',
      '4\u2009118',
      '0',
    ])
    expect(whole(1_234_567)).toBe('1\u2009234\u2009567')
    expect(counted(1, 'hub')).toBe('1 hub')
    expect(counted(1000, 'hub')).toBe('1\u2009000 hubs')
    expect([0.30000000000000004, 5, 5000].map(tick)).toEqual(['0.3', '5', '5\u2009000'])
  })

  it('are a dash where there is none, never a zero', () => {
    expect([whole, significant, percent, durationText, bytes].map((write) => write(null))).toEqual(Array(5).fill('–'))
  })
})

describe('shares', () => {
  it('keep the digits that matter near 100 and near 0', () => {
    expect([1, 0.9995, 0.999987, 0.985, 0.873, 0.0421, 0.00021, 0].map(percent)).toEqual([
      '100',
      '99.95',
      '99.9987',
      '98.5',
      '87.3',
      '4.21',
      '0.021',
      '0',
    ])
  })

  it('never round to all or to nothing', () => {
    expect(percent(0.99999999)).toBe('> 99.9999')
    expect(percent(0.00000001)).toBe('< 0.0001')
  })
})

it('durations are ms under ten seconds, then the unit that people use', () => {
  expect([0.482, 41.2, 5000, 12_000, 600_000, 10_800_000, 259_200_000].map(durationText)).toEqual([
    '0.482 ms',
    '41.2 ms',
    '5\u2009000 ms',
    '12.0 s',
    '10.0 min',
    '3.00 h',
    '3.00 d',
  ])
})
