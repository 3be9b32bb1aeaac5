import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { messageOf, Problem } from '../contract/problem.ts'

/** Where a pod finds who it is (kubernetes.io, "Accessing the Kubernetes API from a Pod"). */
const POD_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const ADVICE = 'name a kubeconfig there, or set jobs.runner (HEARTH_JOBS_RUNNER) to process'

/**
 * How the cluster is reached: as KUBECONFIG's files say, `~/.kube/config`, or the service account of this pod. Raises
 * `invalid` when none is there, or says where no cluster is.
 */
export function kubernetesClient(kubeconfig = process.env['KUBECONFIG'] ?? '', home = homedir()): KubeConfig {
  const named = kubeconfig.split(delimiter).filter(Boolean)
  const absent = named.find((file) => !existsSync(file))
  if (absent !== undefined) throw new Problem('invalid', `KUBECONFIG names ${absent}, which is not there`)
  const [from] = [...named, join(home, '.kube', 'config'), POD_TOKEN].filter((file) => existsSync(file))
  if (from === undefined) throw new Problem('invalid', `not in a cluster, and KUBECONFIG names no file: ${ADVICE}`)
  const client = new KubeConfig()
  try {
    client.loadFromDefault()
  } catch (cause) {
    throw new Problem('invalid', `${from} is no kubeconfig: ${messageOf(cause).split('\n')[0]}`, { cause })
  }
  const cluster = client.getCurrentCluster()
  if (!cluster)
    throw new Problem('invalid', `${from} names no current context with a cluster: kubectl config use-context`)
  if (cluster.server.startsWith('http:') && !cluster.skipTLSVerify)
    throw new Problem('invalid', `${from}: expected an https:// server of its current context; found ${cluster.server}`)
  return client
}
