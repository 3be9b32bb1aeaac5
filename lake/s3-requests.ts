/** The requests of S3 that a lake needs, over AWS's SDK. It is large, and so loaded when the first request is made. */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { isProblem, Problem } from '../contract/problem.ts'
import { S3_BODY_MAX_MS, S3_CONNECT_MAX_MS, S3_REQUEST_MAX_MS, S3_REQUESTS_MAX } from './limits.ts'
import type { ByteRange } from './object-store.ts'
import { s3Attempts } from './s3-attempts.ts'
import { isAbsent, isRefusal } from './s3-fault.ts'
import type { S3Options } from './s3-store.ts'

/** Bytes of a range, the size of the whole object, and which content it was of. */
export type RangeAnswer = { readonly bytes: Uint8Array; readonly total_bytes: number; readonly etag: string }
export type KeyMeta = { readonly key: string; readonly size_bytes: number; readonly modified_ms: number }
export type Upload = { readonly key: string; readonly id: string }

export type S3Requests = {
  /** Raises `missing`. A range past the end is empty; `etag` asks for that content only, else `unavailable`. */
  getRange(key: string, range: ByteRange, etag?: string): Promise<RangeAnswer>
  head(key: string): Promise<KeyMeta | undefined>
  put(key: string, body: Uint8Array, ifAbsent: boolean): Promise<void>
  /** One page of keys below a prefix, ascending by UTF-8 bytes. */
  list(
    prefix: string,
    from: { readonly startAfter: string } | { readonly token: string },
  ): Promise<{ readonly found: readonly KeyMeta[]; readonly token: string | undefined }>
  delete(key: string): Promise<void>
  beginUpload(key: string): Promise<Upload>
  putPart(upload: Upload, number: number, body: Uint8Array): Promise<CompletedPart>
  completeUpload(upload: Upload, parts: readonly CompletedPart[], ifAbsent: boolean): Promise<void>
  abortUpload(upload: Upload): Promise<void>
}

/**
 * The SDK's own retries are turned off: it would send a conditional put again after a lost answer and then tell the
 * 412 that its own first attempt caused (docs/decisions/008). Checksums are the SDK's default (CRC-32 of each body,
 * checked by the server), and AWS_REQUEST_CHECKSUM_CALCULATION turns them off for a server that cannot.
 */
export function openRequests(options: S3Options): S3Requests {
  const { bucket, endpoint, kms_key, path_style, region, sse } = options
  const sockets = { keepAlive: true, maxSockets: S3_REQUESTS_MAX }
  const client = new S3Client({
    region,
    forcePathStyle: path_style,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: S3_CONNECT_MAX_MS,
      // Of a line on which nothing moves; what moves has its own deadline.
      socketTimeout: S3_REQUEST_MAX_MS,
      httpAgent: sockets,
      httpsAgent: sockets,
    },
    ...(endpoint !== undefined && { endpoint }),
  })
  const attempt = s3Attempts(options, { bucket, region, endpoint })
  const encryption = sse && { ServerSideEncryption: sse, ...(kms_key !== undefined && { SSEKMSKeyId: kms_key }) }
  const nameOf = (key: string) => `s3://${bucket}/${key}`

  async function getRange(key: string, { start, end }: ByteRange, etag?: string): Promise<RangeAnswer> {
    return await attempt({
      ...{ doing: `reading ${nameOf(key)}`, reading: true, deadline_ms: S3_BODY_MAX_MS },
      async send(abortSignal) {
        const asked = { Bucket: bucket, Key: key, Range: `bytes=${start}-${end - 1}` }
        const command = new GetObjectCommand({ ...asked, ...(etag !== undefined && { IfMatch: etag }) })
        try {
          const { Body, ContentRange, ContentLength, ETag = '' } = await client.send(command, { abortSignal })
          if (!Body) throw new Error(`no body of ${nameOf(key)}`)
          abortSignal.addEventListener('abort', () => 'destroy' in Body && Body.destroy(), { once: true })
          const bytes = await Body.transformToByteArray()
          if (bytes.length !== (ContentLength ?? bytes.length))
            throw new Error(`${bytes.length} bytes came of ${ContentLength}`)
          const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1]
          // Without a range in the answer it is the whole object.
          if (total === undefined) return { bytes: bytes.subarray(start, end), total_bytes: bytes.length, etag: ETag }
          return { bytes, total_bytes: Number(total), etag: ETag }
        } catch (error) {
          const code = error instanceof Error ? error.name : ''
          if (code === 'InvalidRange') return { bytes: new Uint8Array(), total_bytes: 0, etag: '' }
          if (code !== 'PreconditionFailed') throw error
          throw new Problem('unavailable', `${nameOf(key)} was replaced while it was read: read it again`, {
            cause: error,
          })
        }
      },
    })
  }

  async function head(key: string): Promise<KeyMeta | undefined> {
    const found = await attempt({
      ...{ doing: `looking for ${nameOf(key)}`, reading: true },
      async send(abortSignal) {
        try {
          return await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal })
        } catch (error) {
          if (!isRefusal(error)) throw error
          // The answer to a HEAD has no body to say why: an absent object, an absent bucket, a wrong key. A listing has.
          await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: key, MaxKeys: 1 }), { abortSignal })
          if (isAbsent(error)) return undefined
          throw error
        }
      },
    })
    return found && metaOf(key, found.ContentLength, found.LastModified)
  }

  return {
    getRange,
    head,

    async put(key, body, ifAbsent) {
      const asked = { Bucket: bucket, Key: key, Body: body, ...encryption, ...(ifAbsent && { IfNoneMatch: '*' }) }
      await attempt({
        ...{ doing: `writing ${nameOf(key)}`, deadline_ms: S3_BODY_MAX_MS },
        send: (abortSignal) => client.send(new PutObjectCommand(asked), { abortSignal }),
      })
    },

    async list(prefix, from) {
      const after =
        'token' in from ? { ContinuationToken: from.token } : from.startAfter !== '' && { StartAfter: from.startAfter }
      const page = await attempt({
        ...{ doing: `listing ${nameOf(prefix)}`, reading: true },
        send: (abortSignal) =>
          client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...after }), { abortSignal }),
      })
      const found = (page.Contents ?? []).map(({ Key = '', Size, LastModified }) => metaOf(Key, Size, LastModified))
      return { found, token: page.IsTruncated ? page.NextContinuationToken : undefined }
    },

    async delete(key) {
      await attempt({
        doing: `deleting ${nameOf(key)}`,
        send: (abortSignal) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
      })
    },

    async beginUpload(key) {
      // Of parts that carry checksums the server wants to know so from the beginning.
      const checked = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED'
      const asked = { Bucket: bucket, Key: key, ...encryption, ...(checked && { ChecksumAlgorithm: 'CRC32' as const }) }
      const { UploadId } = await attempt({
        doing: `beginning to upload ${nameOf(key)}`,
        send: (abortSignal) => client.send(new CreateMultipartUploadCommand(asked), { abortSignal }),
      })
      if (UploadId === undefined) throw new Problem('unavailable', `S3 gave the upload of ${nameOf(key)} no id`)
      return { key, id: UploadId }
    },

    async putPart({ key, id }, number, body) {
      const asked = { Bucket: bucket, Key: key, UploadId: id, PartNumber: number, Body: body }
      const { ETag, ChecksumCRC32 } = await attempt({
        ...{ doing: `uploading part ${number} of ${nameOf(key)}`, deadline_ms: S3_BODY_MAX_MS },
        send: (abortSignal) => client.send(new UploadPartCommand(asked), { abortSignal }),
      })
      return { PartNumber: number, ETag, ChecksumCRC32 }
    },

    async completeUpload({ key, id }, parts, ifAbsent) {
      const asked = { Bucket: bucket, Key: key, UploadId: id, MultipartUpload: { Parts: [...parts] } }
      await attempt({
        ...{ doing: `completing the upload of ${nameOf(key)}`, deadline_ms: S3_BODY_MAX_MS },
        send: (abortSignal) =>
          client.send(new CompleteMultipartUploadCommand({ ...asked, ...(ifAbsent && { IfNoneMatch: '*' }) }), {
            abortSignal,
          }),
      })
    },

    async abortUpload({ key, id }) {
      try {
        await attempt({
          doing: `ending the upload of ${nameOf(key)}`,
          send: (abortSignal) =>
            client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id }), { abortSignal }),
        })
      } catch (error) {
        // Why the upload failed is what matters; the bucket's lifecycle rule removes its parts (docs/s3.md).
        if (!isProblem(error)) throw error
      }
    },
  }
}

function metaOf(key: string, size: number | undefined, modified: Date | undefined): KeyMeta {
  return { key, size_bytes: size ?? 0, modified_ms: modified?.getTime() ?? 0 }
}
