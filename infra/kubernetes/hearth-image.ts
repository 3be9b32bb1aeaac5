/** This checkout as an image for tests: `infra/Containerfile`, over a base of this machine's own libraries. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { glob, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'
import { copyLibraries } from './libraries.ts'
import { writeOciImage } from './oci-image.ts'
import { installPackages } from './provision.ts'

const run = promisify(execFile)
const CHECKOUT = join(import.meta.dirname, '../..')
const CACHE = join(CHECKOUT, '.cache/kubernetes-image')
const NAME = 'localhost/hearth'
const ROOMS = 'cli,contract,dashboards,hub-agent,ingest,jobs,lake,link,registry,relay'
const MADE_OF = [
  `{${ROOMS}}/**/*.*`,
  '{package,package-lock,tsconfig,tsconfig.build}.json',
  'infra/{image,pack}.ts',
  'infra/Containerfile',
  'infra/kubernetes/{hearth-image,libraries,oci-image}.ts',
]

/** Longest time that it may take to build it, on a machine with much else to do. */
export const IMAGE_BUILD_LIMIT_MS = 300_000

export type HearthImage = {
  /** The archive, for `loadImage`. */
  readonly file: string
  /** `localhost/hearth@sha256:…`, which a pod can name as it is. */
  readonly name: string
  readonly digest: string
}

/** Builds it unless this checkout is as it was: half a minute, or a second. Needs root, as buildah does here. */
export async function buildHearthImage(): Promise<HearthImage> {
  const hash = await hashOfSources()
  const folder = join(CACHE, hash)
  const told = () => readFile(join(folder, 'image.json'), 'utf8').catch(() => undefined)
  if ((await told()) === undefined) await alone('kubernetes-image', async () => (await told()) ?? (await build(folder)))
  const { digest } = JSON.parse((await told()) ?? '{}') as { readonly digest: string }
  return { file: join(folder, 'hearth.tar'), name: `${NAME}@${digest}`, digest }
}

async function hashOfSources(): Promise<string> {
  const files: string[] = []
  const exclude = (path: string) => /\.test\.ts$|(^|\/)(testing|dist)$/.test(path)
  for await (const file of glob(MADE_OF, { cwd: CHECKOUT, exclude })) files.push(file)
  const hash = createHash('sha256')
  for (const file of files.sort()) hash.update(`${file}\n`).update(await readFile(join(CHECKOUT, file)))
  return hash.digest('hex').slice(0, 16)
}

async function build(folder: string): Promise<void> {
  await installPackages()
  const building = join(CACHE, `building-${process.pid}`)
  try {
    await mkdir(building, { recursive: true })
    const context = join(building, 'context')
    await run(process.execPath, ['infra/image.ts', context], { cwd: CHECKOUT })
    const base = await makeBase(building, context)
    const storage = ['--root', join(building, 'root'), '--runroot', join(building, 'run'), '--storage-driver', 'vfs']
    const buildah = (...words: readonly string[]) => run('buildah', [...storage, ...words], { maxBuffer: 2 ** 26 })
    const words = ['--timestamp', '0', '--build-arg', `BASE=oci-archive:${base}`, '--tag', NAME]
    await buildah('bud', ...words, '--file', join(CHECKOUT, 'infra/Containerfile'), context)
    const made = join(building, 'made')
    await mkdir(made)
    const layout = join(building, 'layout')
    await buildah('push', NAME, `oci:${layout}`)
    const digest = await nameByDigest(layout)
    await run('tar', ['-C', layout, '-cf', join(made, 'hearth.tar'), 'oci-layout', 'index.json', 'blobs'])
    await writeFile(join(made, 'image.json'), JSON.stringify({ digest }))
    for (const earlier of await readdir(CACHE))
      if (!earlier.startsWith('building-')) await rm(join(CACHE, earlier), { recursive: true })
    await rename(made, folder)
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

/** What programs of the image are linked with, from where this machine has it; the rest is as in images without a shell. */
async function makeBase(building: string, context: string): Promise<string> {
  const root = join(building, 'base')
  const linked = [join(context, 'node')]
  // Some packages bring one for musl as well, which the base does not have and nobody loads.
  for await (const file of glob(`${context}/node_modules/**/*.{node,so}`)) if (!/\bmusl\b/.test(file)) linked.push(file)
  await copyLibraries(root, linked)
  const texts = {
    'etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:1000:1000:nonroot:/:/sbin/nologin\n',
    'etc/nsswitch.conf': 'hosts: files dns\n',
  }
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  const file = join(building, 'base.tar')
  await writeOciImage(file, 'localhost/hearth-base:1', root, {})
  return file
}

/** Containerd finds `name@sha256:…` where an image was brought under just that name. Returns the digest. */
async function nameByDigest(layout: string): Promise<string> {
  const path = join(layout, 'index.json')
  const index = JSON.parse(await readFile(path, 'utf8')) as {
    readonly manifests: readonly [{ readonly digest: string }]
  }
  const [manifest] = index.manifests
  const annotations = { 'io.containerd.image.name': `${NAME}@${manifest.digest}` }
  await writeFile(path, JSON.stringify({ ...index, manifests: [{ ...manifest, annotations }] }))
  return manifest.digest
}
