import type { V1ContainerState, V1Pod, V1PodStatus } from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import { LAST_WORDS_CHARACTERS } from './limits.ts'
import { attemptsOf, imageTrouble, succeededOf } from './pods.ts'

const INDEX = 'batch.kubernetes.io/job-completion-index'
let second = 0

/** A pod of a part, each made a second after the one before. */
function pod(index: number, status: V1PodStatus, deletionTimestamp?: Date): V1Pod {
  second++
  const annotations = { [INDEX]: String(index) }
  const about = { name: `pod-${second}`, creationTimestamp: new Date(second * 1000), annotations }
  return {
    metadata: deletionTimestamp ? { ...about, deletionTimestamp } : about,
    spec: { containers: [], nodeName: 'node-a' },
    status,
  }
}

function withState(phase: string, state: V1ContainerState): V1PodStatus {
  const container = { name: 'task', image: 'hearth:1', imageID: '', ready: false, restartCount: 0, state }
  return { phase, containerStatuses: [container] }
}
const condition = (type: string, status: string, reason: string, message: string) => ({ type, status, reason, message })
const ended = (exitCode: number, reason: string, message = '') =>
  withState('Failed', { terminated: { exitCode, reason, message } })

describe('a pod as a try of its part', () => {
  test.each<[string, V1PodStatus, Date | undefined, string, string | undefined]>([
    ['that ended well', { phase: 'Succeeded' }, undefined, 'done', undefined],
    ['that runs', { phase: 'Running' }, undefined, 'running', undefined],
    [
      'that failed says its exit code and its last words',
      ended(3, 'Error', 'first line\nsessions failed its check'),
      undefined,
      ...(['failed', 'Error (exit code 3); first line\nsessions failed its check'] as const),
    ],
    ['that had too little memory', ended(137, 'OOMKilled'), undefined, 'failed', 'OOMKilled (exit code 137)'],
    [
      'that was drained',
      { phase: 'Failed', conditions: [condition('DisruptionTarget', 'True', 'EvictionByEvictionAPI', 'evicting')] },
      undefined,
      ...(['failed', 'EvictionByEvictionAPI: evicting'] as const),
    ],
    ['that is being deleted', { phase: 'Running' }, new Date(0), 'failed', 'its pod was deleted'],
    ['that failed and says nothing', { phase: 'Failed' }, undefined, 'failed', 'its pod was deleted'],
    [
      'that waits for room',
      { phase: 'Pending', conditions: [condition('PodScheduled', 'False', 'Unschedulable', 'Insufficient memory')] },
      undefined,
      ...(['running', 'Unschedulable: Insufficient memory'] as const),
    ],
    [
      'that waits for its image',
      withState('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }),
      undefined,
      ...(['running', 'ImagePullBackOff: no such image'] as const),
    ],
    [
      'that is on its way',
      withState('Pending', { waiting: { reason: 'ContainerCreating' } }),
      undefined,
      'running',
      undefined,
    ],
  ])('%s', (_, status, metadata, outcome, cause) => {
    const [attempt] = attemptsOf([pod(1, status, metadata)])
    expect(attempt).toMatchObject({ index: 1, outcome })
    expect(attempt?.cause).toBe(cause)
    expect(attempt?.place).toMatch(/^pod \S+, node node-a$/)
  })

  test('comes in the order in which pods were made, and a pod of something else is none', () => {
    const [first, next] = [pod(0, { phase: 'Failed' }), pod(0, { phase: 'Succeeded' })]
    const other: V1Pod = { metadata: { name: 'other' }, status: { phase: 'Running' } }
    expect(attemptsOf([next, other, first]).map(({ outcome }) => outcome)).toEqual(['failed', 'done'])
  })

  test('keeps the end of what it said last', () => {
    const words = `${'x'.repeat(LAST_WORDS_CHARACTERS)}the end`
    const [attempt] = attemptsOf([pod(0, ended(1, 'Error', words))])
    expect(attempt?.cause).toMatch(/xthe end$/)
    expect(attempt?.cause?.length).toBeLessThan(LAST_WORDS_CHARACTERS + 40)
  })
})

test('a part whose pods both ended well is made once', () => {
  const done = { phase: 'Succeeded' }
  expect(succeededOf([pod(0, done), pod(0, done), pod(1, done), pod(2, { phase: 'Failed' })])).toBe(2)
})

test('an image that no pod could have is told, and one that another pod has is only on its way', () => {
  const waiting = pod(0, withState('Pending', { waiting: { reason: 'ErrImageNeverPull', message: 'not present' } }))
  expect(imageTrouble([waiting])).toBe('hearth:1: ErrImageNeverPull: not present')
  expect(imageTrouble([waiting, pod(1, { phase: 'Running' })])).toBeUndefined()
  expect(imageTrouble([pod(0, withState('Pending', { waiting: { reason: 'ContainerCreating' } }))])).toBeUndefined()
})
