import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TYPE = 'application/vnd.oci.image'

/** As the OCI image specification's `config` has it. */
export type OciConfig = {
  readonly Entrypoint?: readonly string[]
  readonly Env?: readonly string[]
  readonly User?: string
}

/**
 * Writes `file`, an OCI image layout in a tar, of one layer that holds what `folder` holds. The same content makes the
 * same image. (OCI image-spec 1.0, image-layout.md.)
 */
export async function writeOciImage(file: string, name: string, folder: string, config: OciConfig): Promise<void> {
  const layout = await mkdtemp(join(dirname(file), 'oci-'))
  const blobs = join(layout, 'blobs/sha256')
  const put = async (content: Buffer | object, type: string) => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const hash = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(blobs, hash), bytes)
    return { mediaType: `${TYPE}.${type}`, digest: `sha256:${hash}`, size: bytes.length }
  }
  try {
    await mkdir(blobs, { recursive: true })
    const tar = join(layout, 'layer.tar')
    const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--mode=go=u-w']
    await run('tar', [...same, '-C', folder, '-cf', tar, '.'])
    const layer = await put(await readFile(tar), 'layer.v1.tar')
    const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' }
    const rootfs = { type: 'layers', diff_ids: [layer.digest] }
    const image = await put({ ...platform, config, rootfs }, 'config.v1+json')
    const manifest = { schemaVersion: 2, mediaType: `${TYPE}.manifest.v1+json`, config: image, layers: [layer] }
    const named = {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name,
    }
    const index = {
      schemaVersion: 2,
      manifests: [{ ...(await put(manifest, 'manifest.v1+json')), annotations: named }],
    }
    await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
    await writeFile(join(layout, 'index.json'), JSON.stringify(index))
    await run('tar', ['-C', layout, '-cf', file, 'oci-layout', 'index.json', 'blobs'])
  } finally {
    await rm(layout, { recursive: true, force: true })
  }
}
