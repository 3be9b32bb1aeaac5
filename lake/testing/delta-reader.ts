/** A second pair of eyes on a table: hyparquet and the Delta log as PROTOCOL.md has it, with nothing of Hearth's reader. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'

type Action = {
  readonly add?: { readonly path: string; readonly partitionValues: Readonly<Record<string, string | null>> }
  readonly remove?: { readonly path: string }
}

/** Rows of the live files of a table in a local folder whose partition values fit, with those values among them. */
export async function readDelta(
  folder: string,
  fits: (partition: Readonly<Record<string, string | null>>) => boolean,
): Promise<readonly Record<string, unknown>[]> {
  const live = new Map<string, Readonly<Record<string, string | null>>>()
  const log = join(folder, '_delta_log')
  for (const name of readdirSync(log)
    .filter((one) => /^\d{20}\.json$/.test(one))
    .sort()) {
    for (const line of readFileSync(join(log, name), 'utf8').trimEnd().split('\n')) {
      const action: Action = JSON.parse(line)
      if (action.remove) live.delete(action.remove.path)
      if (action.add) live.set(action.add.path, action.add.partitionValues)
    }
  }
  const rows: Record<string, unknown>[] = []
  for (const [path, partition] of live) {
    if (!fits(partition)) continue
    const bytes = new Uint8Array(readFileSync(join(folder, decodeURIComponent(path))))
    const found = await parquetReadObjects({
      file: bytes.buffer,
      compressors: { ZSTD: (input) => new Uint8Array(zstdDecompressSync(input)) },
    })
    for (const row of found) rows.push({ ...row, ...partition })
  }
  return rows
}
