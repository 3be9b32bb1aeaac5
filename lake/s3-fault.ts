import { causeOf, type ProblemKind } from '../contract/problem.ts'

/** What an answer of S3, or the lack of one, means for whoever asked. */
export type S3Fault = {
  readonly kind: ProblemKind
  /** S3's own code, as `NoSuchKey`, or the system's, as `ECONNRESET`. */
  readonly code: string
  /** What was found, and what to do. */
  readonly text: string
  /** May the request have taken effect all the same? */
  readonly unknown: boolean
  /** Is another attempt worth it: at once, or after the server has been spared for a while? */
  readonly again: 'no' | 'soon' | 'later'
}

/** Where a request went, for messages. */
export type S3Place = {
  readonly bucket: string
  readonly region: string
  readonly endpoint: string | undefined
}

/** The connection was never made: nothing was sent. */
const NOT_REACHED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']
const RIGHTS = 'the credentials need s3:ListBucket, GetObject, PutObject, DeleteObject and AbortMultipartUpload here'

/** Reads what the SDK threw; undefined for what is no fault of the world. Pure. */
export function faultOf(error: unknown, place: S3Place): S3Fault | undefined {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError) return undefined
  const status = statusOf(error)
  const code = systemCodeOf(error)
  // With a code of the system the answer began, and was cut before it said what it was.
  if (status !== undefined && code === '') return answered(error, status, place)
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    const text = `no credentials for S3 were found (${error.message}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role`
    return { kind: 'unauthorized', code: error.name, text, unknown: false, again: 'no' }
  }
  const at = place.endpoint ?? 'S3'
  const [cause = ''] = causeOf(error).split('\n')
  if (cause.startsWith('Checksum mismatch')) {
    const text = `its bytes are not those that were put: restore it from a copy or an older version of the object (${cause})`
    return { kind: 'corrupt', code: 'ChecksumMismatch', text, unknown: false, again: 'soon' }
  }
  if (NOT_REACHED.includes(code)) {
    const text = `${at} cannot be reached (${cause}): is it up, and s3.endpoint right?`
    return { kind: 'unavailable', code, text, unknown: false, again: 'soon' }
  }
  if (/^(EPROTO|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)) {
    const text = `no TLS connection to ${at} (${cause}): is https or http right, and is its CA in NODE_EXTRA_CA_CERTS?`
    return { kind: 'unavailable', code, text, unknown: false, again: 'no' }
  }
  const text = `${at} did not answer: ${cause}`
  return { kind: 'unavailable', code: code || error.name, text, unknown: true, again: 'soon' }
}

function answered(error: Error, status: number, { bucket, region, endpoint }: S3Place): S3Fault {
  const code = error.name
  const said = `${code} (${status}): ${error.message}`
  const no = (kind: ProblemKind, text: string): S3Fault => ({ kind, code, text, unknown: false, again: 'no' })
  const refused = (text: string, again: 'soon' | 'later'): S3Fault => ({
    ...{ kind: 'unavailable', code, text, unknown: false, again },
  })
  const skewed: S3Fault = {
    ...{ kind: 'unauthorized', code, unknown: false, again: 'soon' },
    text: `the clock of this machine is more than 15 minutes from the server's: set it right (${said})`,
  }
  // An answer to HEAD names no reason; the SDK compared the server's time, and signs the next attempt by it.
  if (status === 403 && fieldOf(fieldOf(error, '$metadata'), 'clockSkewCorrected') === true) return skewed
  switch (code) {
    case 'NoSuchKey':
      return no('missing', 'there is no such object')
    case 'NoSuchBucket':
      // Not `missing`: an object that cannot be looked for is not an object that is not there.
      return no('unavailable', `there is no bucket ${bucket}: make it, or correct lake.url`)
    case 'NoSuchUpload':
      return no('unavailable', 'the upload is no longer there: it was completed, or ended by a rule of the bucket')
    case 'RequestTimeTooSkewed':
      return skewed
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return no('unauthorized', `the credentials are wrong: correct them, or s3.endpoint (${said})`)
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return no('unauthorized', `the session of these credentials is over: renew it (${said})`)
    case 'RequestTimeout':
    case 'BadDigest':
    case 'XAmzContentSHA256Mismatch':
      return refused(`the request did not arrive whole (${said})`, 'soon')
    case 'EntityTooLarge':
      return no('limit', `the object is larger than the server takes (${said})`)
  }
  if (status === 301 || status === 307 || code === 'AuthorizationHeaderMalformed') {
    const right = regionOf(error)
    const where = right ? `is in region ${right}` : 'is in another region'
    return no('invalid', `bucket ${bucket} ${where}, not in ${region}: correct s3.region or s3.endpoint (${said})`)
  }
  if (status === 401 || status === 403) return no('unauthorized', `access to ${bucket} was denied: ${RIGHTS} (${said})`)
  if (status === 412) return no('conflict', 'it exists already')
  // Another conditional write of this object was under way: who was first is known at the next attempt.
  if (status === 409) return refused(`the server wants it done again (${said})`, 'soon')
  if (status === 429) return refused(`the server asks to be spared (${said})`, 'later')
  if (status === 501) return no('invalid', `the server cannot do what Hearth needs, see docs/s3.md (${said})`)
  if (status === 503) {
    return { kind: 'unavailable', code, text: `the server asks to be spared (${said})`, unknown: true, again: 'later' }
  }
  if (status >= 500)
    return { kind: 'unavailable', code, text: `the server failed: ${said}`, unknown: true, again: 'soon' }
  if (status === 404)
    return no('unavailable', `${endpoint ?? 'S3'} does not answer as S3 does (${said}): is s3.endpoint right?`)
  return no('invalid', `the server refused it: ${said}`)
}

function statusOf(error: Error): number | undefined {
  const status = fieldOf(fieldOf(error, '$metadata'), 'httpStatusCode')
  return typeof status === 'number' ? status : undefined
}

/** The region that an answer names, in its body or a header. */
function regionOf(error: Error): string | undefined {
  const named =
    fieldOf(error, 'Region') ?? fieldOf(fieldOf(fieldOf(error, '$response'), 'headers'), 'x-amz-bucket-region')
  return typeof named === 'string' ? named : undefined
}

function systemCodeOf(error: Error): string {
  const inside = error instanceof AggregateError ? error.errors[0] : error.cause
  const code = fieldOf(error, 'code') ?? fieldOf(inside, 'code')
  return typeof code === 'string' ? code : ''
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined
}

/** Was the request answered, with a no? */
export function isRefusal(error: unknown): boolean {
  const status = error instanceof Error ? statusOf(error) : undefined
  return status !== undefined && status >= 400 && status < 500
}

/** Does the answer to a HEAD, which has no code, say that there is no such object? */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && statusOf(error) === 404
}
