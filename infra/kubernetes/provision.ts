/** What a Kubernetes on this machine is made of: packages of Debian, and programs built from their Go modules. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'
import { aptInstall } from '../apt.ts'
import { goCommand } from '../go.ts'
import { writeOciImage } from './oci-image.ts'

const run = promisify(execFile)
const VERSION = '1.34.4'
const SOURCES = join(import.meta.dirname, 'programs')
export const KUBERNETES_CACHE = join(import.meta.dirname, '../../.cache/kubernetes')

/** A command of each package, to see whether it is there. */
const PACKAGES = {
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  'busybox-static': '/bin/busybox',
  iptables: '/usr/sbin/iptables',
  ipset: '/usr/sbin/ipset',
  iproute2: '/usr/sbin/ip',
  kmod: '/usr/sbin/modprobe',
  buildah: '/usr/bin/buildah',
} as const

/** What the first program does by the name that it is called by. */
const COMPONENTS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
]

/** Longest time that it may take the first time, on a machine with much else to do. */
export const KUBERNETES_BUILD_LIMIT_MS = 1_500_000

export type KubernetesPrograms = {
  /** Holds every component by its name. */
  readonly folder: string
  /** Images that each cluster has from its start. */
  readonly images: readonly string[]
}

/**
 * Installs and builds what is missing, under `.cache/kubernetes/<version>` (4 to 10 minutes the first time); throws saying
 * what is missing. Needs root.
 */
export async function provisionKubernetes(): Promise<KubernetesPrograms> {
  if (process.getuid?.() !== 0)
    throw new Error('a Kubernetes on this machine needs root, for namespaces, mounts and cgroups: run the test as root')
  await installPackages()
  const folder = join(KUBERNETES_CACHE, VERSION)
  const images = ['pause', 'coredns'].map((name) => join(folder, `${name}.tar`))
  const marker = join(folder, 'provisioned')
  const wanted = await hashOfSources()
  const isThere = async () => (await readFile(marker, 'utf8').catch(() => '')) === wanted
  if (!(await isThere())) await alone('kubernetes', async () => (await isThere()) || (await build(folder, wanted)))
  return { folder, images }
}

export async function installPackages(): Promise<void> {
  const missing = () =>
    Object.entries(PACKAGES)
      .filter(([, file]) => !existsSync(file))
      .map(([name]) => name)
  await aptInstall(missing)
  if (missing().length > 0)
    throw new Error(`missing for Kubernetes: install the packages ${missing().join(', ')} (Debian)`)
}

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256').update(VERSION)
  for (const file of (await readdir(SOURCES, { recursive: true })).sort())
    if (/\.(go|mod|sum)$/.test(file)) hash.update(await readFile(join(SOURCES, file)))
  return hash.digest('hex')
}

async function build(folder: string, hash: string): Promise<void> {
  const building = join(KUBERNETES_CACHE, `building-${process.pid}`)
  const made = join(building, 'made')
  try {
    await mkdir(made, { recursive: true })
    const environment = {
      ...process.env,
      CGO_ENABLED: '0',
      GOTOOLCHAIN: 'auto',
      // Three gigabytes that nobody needs again; modules too, which `-modcacherw` lets us delete.
      GOCACHE: join(building, 'cache'),
      GOMODCACHE: join(building, 'modules'),
      GOFLAGS: '-modcacherw -buildvcs=false',
    }
    const words = ['build', '-trimpath', '-ldflags', linkerFlags(), '-o', `${made}/`, './...']
    await run(await goCommand(), words, { cwd: SOURCES, env: environment, maxBuffer: 2 ** 26 })
    for (const name of COMPONENTS) await symlink('kubernetes', join(made, name))
    await makeImages(made)
    await writeFile(join(made, 'provisioned'), hash)
    await rm(folder, { recursive: true, force: true })
    await rename(made, folder)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

/** Kubernetes tells its version by what the linker writes into it. */
function linkerFlags(): string {
  const [major, minor] = VERSION.split('.')
  const told = Object.entries({ gitVersion: `v${VERSION}`, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' })
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
  return ['-s -w', ...packages.flatMap((name) => told.map(([key, value]) => `-X ${name}.${key}=${value}`))].join(' ')
}

/** `localhost/pause`, the process that holds a pod's namespaces, and `localhost/coredns`, each one static program. */
async function makeImages(folder: string): Promise<void> {
  const images = { pause: ['/bin/busybox', ['sleep', '2147483647']], coredns: [join(folder, 'coredns'), []] } as const
  for (const [name, [program, words]] of Object.entries(images)) {
    const root = join(folder, `${name}-root`)
    await mkdir(root)
    await copyFile(program, join(root, basename(program)))
    const config = { Entrypoint: [`/${basename(program)}`, ...words] }
    await writeOciImage(join(folder, `${name}.tar`), `localhost/${name}:1`, root, config)
    await rm(root, { recursive: true })
  }
}
