import { setTimeout as after } from 'node:timers/promises'
import { CoordinationV1Api, CoreV1Api, type KubeConfig, V1MicroTime } from '@kubernetes/client-node'

const NAME = 'pretended'
const namespace = 'kube-node-lease'
const RENEW_MS = 2_000

/**
 * A second node that is well as far as a cluster can tell, and takes no pods: while all nodes seem lost, none is given up, as
 * it may be the network. (kube-controller-manager's node_lifecycle_controller.go, handleDisruption)
 */
export async function pretendNode(client: KubeConfig): Promise<AsyncDisposable> {
  const [core, coordination] = [client.makeApiClient(CoreV1Api), client.makeApiClient(CoordinationV1Api)]
  const spec = { unschedulable: true }
  const status = { conditions: [{ type: 'Ready', status: 'True' }] }
  await core.createNode({ body: { metadata: { name: NAME }, spec, status } })
  const held = () => ({ holderIdentity: NAME, leaseDurationSeconds: 40, renewTime: new V1MicroTime() })
  let lease = await coordination.createNamespacedLease({ namespace, body: { metadata: { name: NAME }, spec: held() } })
  const over = new AbortController()
  const renewing = (async () => {
    while (!over.signal.aborted) {
      await after(RENEW_MS, undefined, { signal: over.signal }).catch(() => undefined)
      lease.spec = held()
      lease = await coordination.replaceNamespacedLease({ namespace, name: NAME, body: lease })
    }
  })()
  // It is told by the end.
  renewing.catch(() => undefined)
  return {
    async [Symbol.asyncDispose]() {
      over.abort()
      await renewing
      await core.deleteNode({ name: NAME })
    },
  }
}
