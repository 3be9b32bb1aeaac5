import { expect, test } from 'vitest'
import { coverageTable, hit, missedPairs } from './coverage.ts'
import { FAULTS } from './faults/all.ts'

test('a pair is missed until its fault struck its step; one that cannot be is never missed', () => {
  const coverage = new Map<string, number>()
  const before = missedPairs(coverage, FAULTS)
  expect(before).toContain('kill at net.command')
  expect(before).not.toContain('reorder at disk.write')
  hit(coverage, 'kill', 'net.command')
  expect(missedPairs(coverage, FAULTS)).toEqual(before.filter((pair) => pair !== 'kill at net.command'))
})

test('what cannot be is only what only messages suffer, and what a write within one turn or a mere reading cannot', () => {
  const [head = '', ...rows] = coverageTable(new Map(), FAULTS).split('\n')
  const faults = head.trim().split(/ {2,}/).slice(1)
  const not = rows.flatMap((row) => {
    const [step = '', ...cells] = row.trim().split(/ {2,}/)
    return cells.flatMap((cell, i) => (cell === '·' ? [`${faults[i]} at ${step.split('.')[0]}`] : []))
  })
  const remote = ['store', 'commit', 'ranges', 'checkpoint', 'cleanup', 'vacuum', 'jobs', 'run', 'pods', 'directory']
  const calls = ['disk', 'log', ...remote, 'device']
  const onlyMessages = ['reorder', 'duplicate', 'cut'].flatMap((fault) => calls.map((step) => `${fault} at ${step}`))
  const others = [
    'delay at disk',
    ...['disk', 'log', 'store', 'jobs', 'directory'].map((step) => `lost answer at ${step}`),
  ]
  const onlyHubs = ['disk', 'log', ...remote, 'net'].map((step) => `restored disk at ${step}`)
  // Between relays nothing comes twice.
  const onMessages = ['lost answer at net', 'refusal at net', 'duplicate at net']
  const onlyIngest = ['pause at disk', 'pause at device', 'pause at net']
  expect(new Set(not)).toEqual(new Set([...onlyMessages, ...others, ...onMessages, ...onlyHubs, ...onlyIngest]))
})
