/**
 * Where objects live: a folder, memory, S3. One small interface; everything above it is written against this
 * and tested by one conformance suite (object-store.conformance.ts).
 * Paths are relative, `/`-separated, of [A-Za-z0-9._=-] parts, and never contain `..`.
 */
export type ObjectMeta = {
  readonly path: string
  readonly size_bytes: number
  /** The store's own time of the last change, ms since 1970. */
  readonly modified_ms: number
}

/** Bytes [start, end). `end` past the object's end reads to its end. */
export type ByteRange = { readonly start: number; readonly end: number }

export type ObjectStore = {
  /** For messages: `file:///…`, `memory:`, `s3://…`. */
  readonly url: string
  /** Raises `missing`. */
  get(path: string, range?: ByteRange): Promise<Uint8Array>
  head(path: string): Promise<ObjectMeta | undefined>
  /**
   * Whole and durable when it resolves. With `ifAbsent`, raises `conflict` (did-not-happen) when the path is taken;
   * of several concurrent puts exactly one wins. Any other failure whose effect is not known is `unavailable`/`unknown`.
   */
  put(
    path: string,
    body: Uint8Array | { readonly file: string },
    options?: { readonly ifAbsent?: boolean },
  ): Promise<void>
  /** Everything below a prefix (whole path parts), ascending by path, after `startAfter` where given. */
  list(prefix: string, options?: { readonly startAfter?: string }): AsyncIterable<ObjectMeta>
  /** An absent path is fine. */
  delete(path: string): Promise<void>
  /** Where the object can be read as a local file, for stores that have it as one (local-files.ts brings the others). */
  localPath?(path: string): string | undefined
}
