/** How each component of a cluster is called, and the files that it reads: all of it follows from one layout. */
import { join } from 'node:path'

export const NODE = 'node1'
export const NODE_ADDRESS = '192.168.77.1'
export const DNS_ADDRESS = '10.96.0.10'
const POD_RANGE = '10.88.0.0/16'
const SERVICE_RANGE = '10.96.0.0/16'
const SERVICES_FIRST = '10.96.0.1'
/** No policy holds back a call to one of these on the node: they are apart from the ports that servers of tests get. */
const NODE_PORTS = '2000-2999'
const KUBELET_PORT = 10250

export type Layout = {
  /** All that the cluster writes. */
  readonly folder: string
  /** Of the components' programs. */
  readonly programs: string
  readonly cgroup: string
  /** Of the API server, within the namespace and outside of it. */
  readonly api_port: number
}

/** In the order of their start. */
export const COMPONENTS = [
  'containerd',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'network-policy',
] as const
export type ComponentName = (typeof COMPONENTS)[number]

/** Whose certificates there are, and whose kubeconfig where it is a client. */
export const SUBJECTS = {
  apiserver: {
    name: 'CN=kube-apiserver',
    hosts: ['127.0.0.1', NODE_ADDRESS, SERVICES_FIRST, 'localhost', 'kubernetes', 'kubernetes.default.svc'],
  },
  'kubelet-server': { name: `O=system:nodes, CN=system:node:${NODE}`, hosts: ['127.0.0.1', NODE_ADDRESS, NODE] },
  admin: { name: 'O=system:masters, CN=admin' },
  controllers: { name: 'CN=system:kube-controller-manager' },
  scheduler: { name: 'CN=system:kube-scheduler' },
  kubelet: { name: `O=system:nodes, CN=system:node:${NODE}` },
  proxy: { name: 'CN=system:kube-proxy' },
} as const

const pki = (layout: Layout, file: string) => join(layout.folder, 'pki', file)
export const containerdSocket = (layout: Layout) => join(layout.folder, 'containerd.sock')
export const kubeconfigOf = (layout: Layout, who: string) => join(layout.folder, `${who}.kubeconfig`)

/** The command of a component, the program first. */
export function commandOf(name: ComponentName, layout: Layout): readonly string[] {
  const program = join(layout.programs, name)
  const file = (...path: string[]) => join(layout.folder, ...path)
  const key = (flag: string, path: string) => `--${flag}=${pki(layout, path)}`
  const client = (who: string) =>
    ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map(
      (flag) => `--${flag}=${kubeconfigOf(layout, who)}`,
    )
  const etcd = 'http://127.0.0.1:2379'
  switch (name) {
    case 'containerd':
      return ['containerd', '--config', file('containerd.toml')]
    case 'etcd':
      // No fsync: nothing outlives the machine here.
      return [
        program,
        '--data-dir',
        file('etcd'),
        '--unsafe-no-fsync',
        `--listen-client-urls=${etcd}`,
        `--advertise-client-urls=${etcd}`,
      ]
    case 'kube-apiserver':
      return [
        ...[program, `--etcd-servers=${etcd}`, '--bind-address=0.0.0.0', `--secure-port=${layout.api_port}`],
        ...[`--advertise-address=${NODE_ADDRESS}`, `--service-cluster-ip-range=${SERVICE_RANGE}`],
        `--service-node-port-range=${NODE_PORTS}`,
        ...['--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction', '--allow-privileged=true'],
        ...[key('client-ca-file', 'ca.crt'), key('tls-cert-file', 'apiserver.crt')],
        ...[key('tls-private-key-file', 'apiserver.key'), key('kubelet-certificate-authority', 'ca.crt')],
        ...[key('kubelet-client-certificate', 'admin.crt'), key('kubelet-client-key', 'admin.key')],
        ...['--kubelet-preferred-address-types=InternalIP', '--profiling=false'],
        ...['--service-account-issuer=https://kubernetes.default.svc', key('service-account-key-file', 'sa.pub')],
        key('service-account-signing-key-file', 'sa.key'),
      ]
    case 'kube-controller-manager':
      return [
        ...[program, ...client('controllers'), '--bind-address=127.0.0.1', '--leader-elect=false'],
        ...['--use-service-account-credentials=true', key('service-account-private-key-file', 'sa.key')],
        ...[key('root-ca-file', 'ca.crt'), key('cluster-signing-cert-file', 'ca.crt')],
        key('cluster-signing-key-file', 'ca.key'),
      ]
    case 'kube-scheduler':
      return [program, ...client('scheduler'), '--bind-address=127.0.0.1', '--leader-elect=false']
    case 'kubelet':
      return [
        ...[program, `--config=${file('kubelet.yaml')}`, `--kubeconfig=${kubeconfigOf(layout, 'kubelet')}`],
        ...[`--hostname-override=${NODE}`, `--node-ip=${NODE_ADDRESS}`, `--root-dir=${file('kubelet')}`],
        `--cert-dir=${file('kubelet/pki')}`,
      ]
    case 'kube-proxy':
      return [program, `--config=${file('kube-proxy.yaml')}`]
    case 'network-policy':
      return [
        ...[program, `--kubeconfig=${kubeconfigOf(layout, 'admin')}`, `--hostname-override=${NODE}`],
        ...[`--service-cluster-ip-range=${SERVICE_RANGE}`, `--service-node-port-range=${NODE_PORTS}`],
        '--iptables-sync-period=1m',
      ]
  }
}

/** Files by their path in the folder; JSON is YAML. */
export function filesOf(layout: Layout): Readonly<Record<string, string>> {
  const file = (...path: string[]) => join(layout.folder, ...path)
  const kubelet = {
    ...{ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' },
    ...{ address: NODE_ADDRESS, port: KUBELET_PORT },
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki(layout, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    ...{ tlsCertFile: pki(layout, 'kubelet-server.crt'), tlsPrivateKeyFile: pki(layout, 'kubelet-server.key') },
    containerRuntimeEndpoint: `unix://${containerdSocket(layout)}`,
    ...{ cgroupDriver: 'cgroupfs', cgroupRoot: `/${layout.cgroup}`, failCgroupV1: false, failSwapOn: false },
    ...{ resolvConf: file('resolv.conf'), clusterDNS: [DNS_ADDRESS], clusterDomain: 'cluster.local' },
    ...{ podLogsDir: file('pod-logs'), volumePluginDir: file('volume-plugins') },
    // The images are loaded by hand: nothing could fetch them again.
    ...{ imageGCHighThresholdPercent: 100, imageMinimumGCAge: '24h' },
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  }
  const proxy = {
    ...{ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode: 'iptables' },
    clientConnection: { kubeconfig: kubeconfigOf(layout, 'proxy') },
    ...{ hostnameOverride: NODE, clusterCIDR: POD_RANGE },
    // Its settings cannot be written outside of the machine's first network namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { minSyncPeriod: '100ms' },
  }
  // Pods on a bridge that is their gateway; with hairpin a pod reaches itself through its Service.
  const bridge = {
    ...{ type: 'bridge', bridge: 'pods0', isGateway: true, isDefaultGateway: true, hairpinMode: true },
    ipam: { type: 'host-local', dataDir: file('ipam'), ranges: [[{ subnet: POD_RANGE }]] },
  }
  const ports = { type: 'portmap', capabilities: { portMappings: true } }
  const clients = Object.entries(SUBJECTS).filter(([, subject]) => !('hosts' in subject))
  return {
    'containerd.toml': containerdToml(layout),
    'cni/pods.conflist': JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge, ports] }),
    'kubelet.yaml': JSON.stringify(kubelet),
    'kube-proxy.yaml': JSON.stringify(proxy),
    // For pods that take the node's resolver: it knows no names outside of the cluster.
    'resolv.conf': `nameserver ${DNS_ADDRESS}\n`,
    ...Object.fromEntries(clients.map(([who]) => [`${who}.kubeconfig`, kubeconfig(layout, who)])),
  }
}

function kubeconfig(layout: Layout, who: string): string {
  const server = `https://127.0.0.1:${layout.api_port}`
  const user = { 'client-certificate': pki(layout, `${who}.crt`), 'client-key': pki(layout, `${who}.key`) }
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': pki(layout, 'ca.crt') } }],
    users: [{ name: who, user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: who } }],
  })
}

function containerdToml(layout: Layout): string {
  const file = (path: string) => JSON.stringify(join(layout.folder, path))
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = ${file('containerd')}
state = "/run/containerd"
[grpc]
address = ${JSON.stringify(containerdSocket(layout))}
[${cri}]
sandbox_image = "localhost/pause:1"
disable_apparmor = true
# Where this may not be lowered, containers would not start.
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = ${file('cni')}
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
path = ${file('containerd-opt')}
`
}
