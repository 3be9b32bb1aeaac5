import { bucketOf } from '../../contract/bucket.ts'
import { type IngestInfo, ingestInfoOf } from '../../contract/ingest-info.ts'
import { readPayload } from '../../ingest/payload.ts'
import { type Evidence, eventKey, fieldsOf, happened_ms, type Invariant } from '../evidence.ts'
import { decodeRows } from '../row-encoder.ts'

/** Once the table holds that an erased hub was enrolled anew, it holds what services tell of it since then. */
export const whoComesBackIsToldOf: Invariant = {
  name: 'who comes back is told of',
  check(evidence) {
    const { archive, erased } = evidence
    const missing: string[] = []
    const taken = new Set<string>()
    let since_ms = Number.POSITIVE_INFINITY
    for (const { version, info, adds } of archive.entries.map(({ commit }) => commit)) {
      const ingest = ingestInfoOf(info?.hearth)
      if (!ingest) continue
      const rows = adds.flatMap(({ path }) => decodeRows(archive.read(`events/${path}`)))
      const stored = new Set(rows.map(eventKey))
      for (const { key, time_ms } of told(evidence, ingest)) {
        if (!taken.has(key) && time_ms >= since_ms && !stored.has(key))
          missing.push(`version ${version} left out ${key}`)
        taken.add(key)
      }
      for (const { hub, columns } of rows.filter(({ kind }) => kind === 'registry')) {
        const { generation, valid_from_ms } = typeof columns['extra'] === 'object' ? columns['extra'] : {}
        if (erased.has(hub) && Number(generation) > 1) since_ms = Math.min(since_ms, Number(valid_from_ms))
      }
    }
    return missing
  },
}

/** Events of services about erased hubs, but for what the registry says, in the batches that a commit took. */
function told({ logs, erased }: Evidence, { log, buckets }: IngestInfo) {
  const records = logs.find(({ id }) => id === log)?.buckets ?? []
  return Object.entries(buckets).flatMap(([bucket, { from, through }]) =>
    (records[Number(bucket)] ?? []).slice(from - 1, through).flatMap(({ source, role, dead, value, received_ms }) => {
      if (role !== 'service' || dead !== undefined) return []
      const { header, lines } = readPayload(Buffer.from(value))
      const each = lines.toString().split('\n').slice(0, header.count)
      return each.flatMap((line, ordinal) => {
        const { m, kind, hub } = fieldsOf(line) ?? {}
        if (typeof kind !== 'string' || kind === 'registry' || typeof hub !== 'string' || !erased.has(hub)) return []
        if (bucketOf(hub, records.length) !== Number(bucket)) return []
        const key = eventKey({ source, boot: header.boot, stream: header.stream, seq: header.first + ordinal })
        return [{ key, time_ms: happened_ms(Number(m), header, received_ms) }]
      })
    }),
  )
}
