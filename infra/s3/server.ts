/** A real S3 server on this machine, for tests and benchmarks: versitygw over a folder. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePorts } from '../ports.ts'
import { launchServer, type ServerProcess } from '../server-process.ts'
import { versitygw } from './versitygw.ts'

const ACCESS_KEY = 'hearth-test'
const SECRET_KEY = 'hearth-test-secret'
const REGION = 'us-east-1'

export type S3Server = {
  /** `http://127.0.0.1:<port>`; the same after a restart. */
  readonly endpoint: string
  readonly port: number
  readonly region: string
  readonly bucket: string
  /** Where the server keeps the objects: `<folder>/<bucket>/<key>` is one. */
  readonly folder: string
  /** Credentials as the AWS SDK's own chain finds them. */
  readonly environment: Readonly<Record<string, string>>
  pid(): number | undefined
  /** kill -9. */
  kill(): Promise<void>
  /** SIGSTOP: connections are taken, and nothing is answered. */
  pause(): void
  resume(): void
  /** Kills it where it runs, and starts one on the same port and folder. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one on a free port with an empty folder and one bucket. */
export async function startS3({ bucket = 'lake' }: { readonly bucket?: string } = {}): Promise<S3Server> {
  const program = await versitygw()
  const home = await mkdtemp(join(tmpdir(), 'hearth-s3-'))
  const folder = join(home, 'data')
  const sidecar = join(home, 'sidecar')
  await mkdir(folder)
  await mkdir(sidecar)
  const [port = 0] = await freePorts(1)
  const endpoint = `http://127.0.0.1:${port}`
  let running: ServerProcess | undefined

  async function start(): Promise<void> {
    const words = ['--access', ACCESS_KEY, '--secret', SECRET_KEY, '--region', REGION, '--port', `127.0.0.1:${port}`]
    const posix = [...words, '--quiet', '--keep-alive', 'posix']
    running = launchServer(program, [...posix, folder])
    try {
      await running.untilListens(port)
    } catch (error) {
      // A file system without extended attributes: what they would hold goes to a folder beside.
      if (!/xattr|extended attribute/i.test(running.said())) throw error
      running = launchServer(program, [...posix, '--sidecar', sidecar, folder])
      await running.untilListens(port)
    }
  }

  async function kill(): Promise<void> {
    if (!running) return
    running.child.kill('SIGKILL')
    await running.ended
    running = undefined
  }

  const server: S3Server = {
    endpoint,
    port,
    region: REGION,
    bucket,
    folder,
    environment: { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, AWS_REGION: REGION },
    pid: () => running?.child.pid,
    kill,
    pause: () => void running?.child.kill('SIGSTOP'),
    resume: () => void running?.child.kill('SIGCONT'),
    async restart() {
      await kill()
      await start()
    },
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(home, { recursive: true, force: true })
    },
  }
  try {
    await start()
    await createBucket(server)
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
  return server
}

async function createBucket({ endpoint, bucket }: S3Server): Promise<void> {
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }
  const client = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials })
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }))
  } finally {
    client.destroy()
  }
}
