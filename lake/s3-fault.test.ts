import { expect, test } from 'vitest'
import { faultOf } from './s3-fault.ts'

const place = { bucket: 'b', region: 'us-east-1', endpoint: undefined }
const answered = (name: string, status: number, more: object = {}) =>
  Object.assign(new Error('said'), { name, $metadata: { httpStatusCode: status }, ...more })
const unanswered = (code: string) => Object.assign(new Error(`connect ${code}`), { code })

test.each([
  ['an absent object', answered('NoSuchKey', 404), 'missing', 'no', false],
  ['an absent bucket', answered('NoSuchBucket', 404), 'unavailable', 'no', false],
  ['a taken path', answered('PreconditionFailed', 412), 'conflict', 'no', false],
  ['another conditional put', answered('ConditionalRequestConflict', 409), 'unavailable', 'soon', false],
  ['a refusal', answered('AccessDenied', 403), 'unauthorized', 'no', false],
  ['too many requests', answered('TooManyRequests', 429), 'unavailable', 'later', false],
  ['slow down', answered('SlowDown', 503), 'unavailable', 'later', true],
  ['a failure', answered('InternalError', 500), 'unavailable', 'soon', true],
  ['what it cannot do', answered('NotImplemented', 501), 'invalid', 'no', false],
  ['half of a 404', answered('Error', 404, { code: 'ECONNRESET' }), 'unavailable', 'soon', true],
  ['no connection', unanswered('ECONNREFUSED'), 'unavailable', 'soon', false],
  ['a cut connection', unanswered('ECONNRESET'), 'unavailable', 'soon', true],
  ['a missed deadline', new Error('no answer within 15000 ms'), 'unavailable', 'soon', true],
])('of %s it tells what it means', (_, error, kind, again, unknown) => {
  expect(faultOf(error, place)).toMatchObject({ kind, again, unknown })
})

test('names the region that a bucket is in', () => {
  const headers = { 'x-amz-bucket-region': 'eu-west-1' }
  const redirected = answered('PermanentRedirect', 301, { $response: { headers } })
  expect(faultOf(redirected, place)).toMatchObject({
    kind: 'invalid',
    text: expect.stringContaining('in region eu-west-1'),
  })
})

test('an answer to HEAD without a reason is told by the time in it, where the SDK corrected its clock by that', () => {
  const error = answered('403', 403, { $metadata: { httpStatusCode: 403, clockSkewCorrected: true } })
  expect(faultOf(error, place)).toMatchObject({ again: 'soon', text: expect.stringContaining('the clock of this') })
})

test('a bug is no fault of the world', () => {
  expect(faultOf(new TypeError('x is not a function'), place)).toBeUndefined()
})
