import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { kubernetesClient } from './kubernetes-client.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-kubeconfig-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

function clientOf(text: string) {
  const file = join(folder, 'config')
  writeFileSync(file, text)
  vi.stubEnv('KUBECONFIG', file)
  return kubernetesClient()
}
const config = (server: string, context = 'a') => `
apiVersion: v1
kind: Config
current-context: ${context}
clusters: [{name: a, cluster: {server: "${server}"}}]
users: [{name: a, user: {token: x}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
`

test('a cluster is where the kubeconfig says', () => {
  expect(clientOf(config('https://127.0.0.1:6443')).getCurrentCluster()?.server).toBe('https://127.0.0.1:6443')
})

test('without a cluster it is refused at once, with what to do', () => {
  expect(() => kubernetesClient('', folder)).toThrow(
    /^not in a cluster, and KUBECONFIG names no file: name a kubeconfig/,
  )
  expect(() => kubernetesClient(`${folder}/none`)).toThrow(`KUBECONFIG names ${folder}/none, which is not there`)
  expect(() => clientOf(config('http://localhost:8080'))).toThrow(/expected an https:.*; found http:..localhost:8080$/)
  expect(() => clientOf(config('https://a', 'b'))).toThrow(/names no current context with a cluster/)
  expect(() => clientOf('{')).toThrow(/config is no kubeconfig: /)
})
