import type { V1PodTemplateSpec } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { jobOf } from './job.ts'

const request = { run: 'hub-hours-1', digest: 'd1', metric: 'hub_hours', parts: 3 }
const template: V1PodTemplateSpec = {
  metadata: { labels: { team: 'ops' } },
  spec: { containers: [{ name: 'task', image: 'hearth@sha256:1', env: [{ name: 'A', value: 'b' }] }] },
}

test('a run is an Indexed Job of the template, and the template stays as it is', () => {
  const before = structuredClone(template)
  const { metadata, spec } = jobOf(request, { template, parallelism: 8, deadline_s: 600 })
  expect(template).toEqual(before)
  expect(metadata).toMatchObject({ name: 'hub-hours-1', labels: { 'hearth/run': 'hub-hours-1' } })
  expect(spec).toMatchObject({ completionMode: 'Indexed', completions: 3, parallelism: 3, activeDeadlineSeconds: 600 })
  expect(spec?.template).toMatchObject({
    metadata: { labels: { team: 'ops', 'hearth/metric': 'hub_hours' } },
    spec: { restartPolicy: 'Never', containers: [{ image: 'hearth@sha256:1', args: ['jobs', 'task', 'hub-hours-1'] }] },
  })
})

test('what Kubernetes took away counts as no try, and what is hopeless is not tried again', () => {
  const { spec } = jobOf(request, { template, parallelism: 2, deadline_s: 600 })
  expect(spec?.podFailurePolicy?.rules).toMatchObject([
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailIndex', onExitCodes: { containerName: 'task', operator: 'In', values: [3] } },
  ])
})

test('a template without a container is refused', () => {
  const options = { template: { spec: { containers: [] } }, parallelism: 1, deadline_s: 1 }
  expect(() => jobOf(request, options)).toThrow('expected a pod template with a container')
})
