import { z } from 'zod'
import { messageOf, Problem } from '../contract/problem.ts'

/** The lines of a Delta log entry (delta-io/delta PROTOCOL.md, "Actions"): their types and their codec. */

export type PartitionValues = Readonly<Record<string, string | null>>
export type Tags = Readonly<Record<string, string>>

export type AddFile = {
  /** Relative to the table, as the store knows it. */
  readonly path: string
  /** As the log has it, where that differs: a URI. Hearth's own paths need no encoding. */
  readonly encodedPath?: string | undefined
  readonly partitionValues: PartitionValues
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  /** JSON: numRecords, minValues, maxValues, nullCount. */
  readonly stats?: string | undefined
  readonly tags?: Tags | undefined
  /** Rows of the file that are deleted; a snapshot with such a file is refused. */
  readonly deletionVector?: unknown
}

export type RemoveFile = {
  readonly path: string
  readonly encodedPath?: string | undefined
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean | undefined
  readonly partitionValues?: PartitionValues | undefined
  readonly size?: number | undefined
}

export type Txn = { readonly appId: string; readonly version: number; readonly lastUpdated?: number | undefined }

export type Metadata = {
  readonly id: string
  readonly name?: string | undefined
  readonly description?: string | undefined
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: number | undefined
}

export type Protocol = {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[] | undefined
  readonly writerFeatures?: readonly string[] | undefined
}

/** What Hearth keeps of its own in a log entry; other engines ignore it. */
export type HearthInfo = { readonly id: string; readonly kind: string; readonly [key: string]: unknown }

export type CommitInfo = {
  readonly timestamp: number
  readonly operation?: string | undefined
  readonly operationParameters?: Readonly<Record<string, unknown>> | undefined
  readonly engineInfo?: string | undefined
  readonly hearth?: HearthInfo | undefined
}

/** One log entry: what one commit did. */
export type Commit = {
  readonly version: number
  readonly info: CommitInfo | undefined
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  readonly txns: readonly Txn[]
  readonly metadata: Metadata | undefined
  readonly protocol: Protocol | undefined
}

const text = z.string()
const whole = z.number().int()
const absent = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined)
const values = z.record(text, text.nullable())
const strings = z.record(text, text)

export const addFile = z.object({
  path: text,
  partitionValues: values,
  size: whole,
  modificationTime: whole,
  dataChange: z.boolean(),
  stats: absent(text),
  tags: absent(strings),
  deletionVector: z.unknown().optional(),
})
export const removeFile = z.object({
  path: text,
  deletionTimestamp: whole.nullish().transform((value) => value ?? 0),
  dataChange: z.boolean(),
  extendedFileMetadata: absent(z.boolean()),
  partitionValues: absent(values),
  size: absent(whole),
})
export const txnAction = z.object({ appId: text, version: whole, lastUpdated: absent(whole) })
export const metadataAction = z.object({
  id: text,
  name: absent(text),
  description: absent(text),
  format: z.object({ provider: text, options: absent(strings).transform((options) => options ?? {}) }),
  schemaString: text,
  partitionColumns: z.array(text),
  configuration: absent(strings).transform((configuration) => configuration ?? {}),
  createdTime: absent(whole),
})
export const protocolAction = z.object({
  minReaderVersion: whole,
  minWriterVersion: whole,
  readerFeatures: absent(z.array(text)),
  writerFeatures: absent(z.array(text)),
})
/** Of other engines anything (PROTOCOL.md, "Commit Provenance Information"), a time at best. */
const commitInfo = z
  .looseObject({
    timestamp: whole.catch(0),
    inCommitTimestamp: absent(whole).catch(undefined),
    operation: absent(text).catch(undefined),
    operationParameters: absent(z.record(text, z.unknown())).catch(undefined),
    engineInfo: absent(text).catch(undefined),
    hearth: absent(z.looseObject({ id: text, kind: text })),
  })
  .transform(({ inCommitTimestamp, ...info }) => ({ ...info, timestamp: inCommitTimestamp ?? info.timestamp }))

/** A line may hold one action of a kind not known here (PROTOCOL.md: "must ignore"), such as `cdc`. */
const line = z.looseObject({
  add: addFile.optional(),
  remove: removeFile.optional(),
  txn: txnAction.optional(),
  metaData: metadataAction.optional(),
  protocol: protocolAction.optional(),
  commitInfo: commitInfo.optional(),
})

/** Reads a log entry. Raises `corrupt` naming version and line; `invalid` for a file that is not below the table. */
export function decodeCommit(version: number, bytes: Uint8Array): Commit {
  const adds: AddFile[] = []
  const removes: RemoveFile[] = []
  const txns: Txn[] = []
  let metadata: Metadata | undefined
  let protocol: Protocol | undefined
  let info: CommitInfo | undefined
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').split('\n')
  for (const [index, source] of lines.entries()) {
    if (source.trim() === '') continue
    const action = decodeLine(version, index, source)
    if (action.add) adds.push(located(action.add))
    if (action.remove) removes.push(located(action.remove))
    if (action.txn) txns.push(action.txn)
    metadata = action.metaData ?? metadata
    protocol = action.protocol ?? protocol
    info = action.commitInfo ?? info
  }
  return { version, info, adds, removes, txns, metadata, protocol }
}

function decodeLine(version: number, index: number, source: string) {
  try {
    return line.parse(JSON.parse(source))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
    throw new Problem('corrupt', `line ${index + 1} of log version ${version} is not a Delta action: ${reason}`, {
      cause: error,
    })
  }
}

/** An action with its path as the store knows it. Raises `invalid` for a path that is not relative to the table. */
export function located<T extends { readonly path: string }>(action: T): T & { readonly encodedPath?: string } {
  const { path: encodedPath } = action
  if (/^([a-z][a-z0-9+.-]*:|\/)/i.test(encodedPath)) {
    throw new Problem(
      'invalid',
      `${encodedPath} lies outside of its table, as in a shallow clone, which Hearth does not read: make a deep clone`,
    )
  }
  let path: string
  try {
    path = decodeURIComponent(encodedPath)
  } catch (error) {
    throw new Problem('corrupt', `the path ${encodedPath} of a data file is no URI`, { cause: error })
  }
  return path === encodedPath ? action : { ...action, path, encodedPath }
}

/** Writes a log entry: one action a line, commitInfo first. */
export function encodeCommit(commit: Commit): Uint8Array {
  const lines: string[] = []
  const push = (name: string, action: unknown) => lines.push(JSON.stringify({ [name]: action }))
  if (commit.info) push('commitInfo', commit.info)
  if (commit.protocol) push('protocol', commit.protocol)
  if (commit.metadata) push('metaData', commit.metadata)
  for (const txn of commit.txns) push('txn', txn)
  for (const remove of commit.removes) push('remove', removeAction(remove))
  for (const add of commit.adds) push('add', addAction(add))
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8')
}

/** Only the fields of the action, whatever else the object carries. */
export function addAction(add: AddFile): AddFile {
  const { partitionValues, size, modificationTime, dataChange, stats, tags } = add
  return { path: add.encodedPath ?? add.path, partitionValues, size, modificationTime, dataChange, stats, tags }
}

export function removeAction({ encodedPath, ...remove }: RemoveFile): RemoveFile {
  return { ...remove, path: encodedPath ?? remove.path }
}

/** The action that takes a file out of the table. The commit stamps its time. */
export function removeOf(add: AddFile, options: { readonly dataChange?: boolean } = {}): RemoveFile {
  return {
    path: add.path,
    encodedPath: add.encodedPath,
    deletionTimestamp: 0,
    dataChange: options.dataChange ?? true,
    extendedFileMetadata: true,
    partitionValues: add.partitionValues,
    size: add.size,
  }
}
