import { isProblem, messageOf, Problem, type ProblemKind } from '../contract/problem.ts'

/** What Kafka calls its errors: https://kafka.apache.org/protocol#protocol_error_codes */
const UNKNOWN = ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'INCONSISTENT_TOPIC_ID']
const LASTING: Readonly<Record<string, ProblemKind>> = {
  TOPIC_AUTHORIZATION_FAILED: 'unauthorized',
  CLUSTER_AUTHORIZATION_FAILED: 'unauthorized',
  GROUP_AUTHORIZATION_FAILED: 'unauthorized',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'unauthorized',
  SASL_AUTHENTICATION_FAILED: 'unauthorized',
  UNSUPPORTED_SASL_MECHANISM: 'unauthorized',
  ILLEGAL_SASL_STATE: 'unauthorized',
  MESSAGE_TOO_LARGE: 'limit',
  RECORD_LIST_TOO_LARGE: 'limit',
  INVALID_REPLICATION_FACTOR: 'invalid',
  INVALID_PARTITIONS: 'invalid',
  INVALID_CONFIG: 'invalid',
  INVALID_TOPIC_EXCEPTION: 'invalid',
  INVALID_TIMESTAMP: 'invalid',
  POLICY_VIOLATION: 'invalid',
  UNSUPPORTED_VERSION: 'invalid',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'invalid',
}

export type KafkaReasons = {
  /** Kafka's names of what a broker answered; none where none answered. */
  readonly codes: readonly string[]
  /** May it be over by itself? */
  readonly passing: boolean
  /** A broker does not know the topic. */
  readonly unknown: boolean
}

/** What an error of the client means, whatever it is wrapped in. */
export function kafkaReasons(error: unknown): KafkaReasons {
  const all = [...layers(error)]
  const codes = all.flatMap((one) => ('apiId' in one && typeof one.apiId === 'string' ? [one.apiId] : []))
  const lasting =
    codes.some((code) => code in LASTING) ||
    all.some((one) => isProblem(one) && one.kind !== 'unavailable') ||
    all.some((one) => 'code' in one && one.code === 'PLT_KFK_AUTHENTICATION')
  return { codes, passing: !lasting, unknown: codes.some((code) => UNKNOWN.includes(code)) }
}

/** A Problem for what failed in the end. A Problem stays as it is. */
export function kafkaProblem(what: string, error: unknown): Problem {
  if (isProblem(error)) return error
  const { codes, passing, unknown } = kafkaReasons(error)
  const reason = [...new Set([...layers(error)].filter(isInnermost).map(messageOf))].join('; ')
  if (unknown)
    return new Problem('missing', `Kafka: ${what}: brokers do not know the topic (${reason})`, { cause: error })
  const kind = passing ? 'unavailable' : (codes.map((code) => LASTING[code]).find(Boolean) ?? 'unauthorized')
  return new Problem(kind, `Kafka: ${what}: ${reason}`, { cause: error })
}

function* layers(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return
  yield error
  if (error instanceof AggregateError) for (const one of error.errors) yield* layers(one)
  if (error.cause !== undefined) yield* layers(error.cause)
}

function isInnermost(error: Error): boolean {
  return error.cause === undefined && !(error instanceof AggregateError && error.errors.length > 0)
}
