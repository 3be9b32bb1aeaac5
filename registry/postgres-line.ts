/** The one connection that a process has to Postgres: made when it is needed, and anew when it was lost. */
import { Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import { Client, DatabaseError, types } from 'pg'
import { hostOf } from '../contract/host.ts'
import { isProblem, messageOf, Problem, type ProblemKind } from '../contract/problem.ts'
import { POSTGRES_ANSWER_MS, POSTGRES_CONNECT_MS, POSTGRES_LOCK_MS } from './limits.ts'
import { POSTGRES_SCHEMA } from './postgres-schema.ts'
import type { Row, Value } from './steps.ts'

export type PostgresAddress = {
  /** `postgres://user@host:port/database`. */
  readonly url: string
  readonly password?: string
  /** PEM; the system's own CAs when absent. */
  readonly ca?: string
}

export type Ask = (
  sql: string,
  ...values: Value[]
) => Promise<{ readonly rows: readonly Row[]; readonly changed: number }>

export type PostgresLine = {
  /** `host:port/database`, for messages. */
  readonly place: string
  /**
   * Runs `action` in a transaction that begins with `begin`, alone on the connection. A connection that was found dead before
   * COMMIT was sent is made anew, once. Raises `unavailable`, whose outcome is unknown when COMMIT had no answer.
   */
  transaction<T>(begin: string, action: (ask: Ask) => Promise<T>): Promise<T>
  close(): Promise<void>
}

type Connection = { readonly client: Client; readonly cut: () => void }

/** The largest are ms since 1970, and versions. */
types.setTypeParser(types.builtins.INT8, Number)

/** `announced`: another session of the database changed the registry. */
export function postgresLine({ url, password, ca }: PostgresAddress, announced: () => void): PostgresLine {
  const { hostname, port, pathname, username, password: inUrl } = new URL(url)
  const host = hostOf({ hostname })
  const database = decodeURIComponent(pathname.slice(1))
  const place = `${hostname}:${port || 5432}/${database}`
  let live: Connection | undefined
  let busy: Promise<unknown> = Promise.resolve()
  let closed = false

  async function connected(): Promise<Connection> {
    if (live) return live
    if (closed) throw new Problem('closed', 'the registry is closed')
    // A connection that answers no more is cut: its goodbye would never be said.
    const socket = new Socket()
    const client = new Client({
      stream: () => socket,
      ...{ host, database, user: decodeURIComponent(username) || 'hearth', port: Number(port || 5432) },
      password: password ?? decodeURIComponent(inUrl),
      // `host` again: without it an address is checked against the name localhost.
      ssl: { host, minVersion: 'TLSv1.3', ca: ca ?? [...rootCertificates] },
      ...{ connectionTimeoutMillis: POSTGRES_CONNECT_MS, query_timeout: POSTGRES_ANSWER_MS },
      // The server's own limits: a process that stands still in a transaction must not hold all others up.
      ...{ lock_timeout: POSTGRES_LOCK_MS, statement_timeout: POSTGRES_ANSWER_MS },
      idle_in_transaction_session_timeout: POSTGRES_ANSWER_MS,
      ...{ keepAlive: true, application_name: 'hearth' },
    })
    const made: Connection = { client, cut: () => socket.destroy() }
    const lost = () => {
      if (live === made) live = undefined
    }
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', announced)
    try {
      await client.connect()
      await client.query(`SET search_path TO ${POSTGRES_SCHEMA}; LISTEN ${POSTGRES_SCHEMA}`)
    } catch (error) {
      made.cut()
      throw translated(error, place)
    }
    live = made
    return made
  }

  async function attempt<T>(begin: string, action: (ask: Ask) => Promise<T>): Promise<T> {
    const connection = await connected()
    const { client, cut } = connection
    let committing = false
    try {
      await client.query(begin)
      const result = await action(async (sql, ...values) => {
        const { rows, rowCount } = await client.query<Record<string, unknown>>(sql, values)
        return { rows, changed: rowCount ?? 0 }
      })
      committing = true
      await client.query('COMMIT')
      return result
    } catch (error) {
      const problem = isProblem(error) ? error : translated(error, place, committing)
      const isSound = live === connection && !isProblem(problem, 'unavailable', 'internal')
      if (!isSound || !(await client.query('ROLLBACK').then(Boolean, () => false))) {
        if (live === connection) live = undefined
        cut()
      }
      throw problem
    }
  }

  async function alone<T>(action: () => Promise<T>): Promise<T> {
    const before = busy
    const mine = before.then(action, action)
    busy = mine.catch(() => undefined)
    return await mine
  }

  return {
    place,
    transaction: (begin, action) =>
      alone(async () => {
        const wasThere = live !== undefined
        try {
          return await attempt(begin, action)
        } catch (error) {
          if (!wasThere || live || !isProblem(error, 'unavailable') || error.outcome !== 'did-not-happen') throw error
          return await attempt(begin, action)
        }
      }),
    async close() {
      closed = true
      await alone(async () => {
        const connection = live
        live = undefined
        await connection?.client.end()
        connection?.cut()
      })
    },
  }
}

/** By class of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const KINDS: Readonly<Record<string, readonly [ProblemKind, string]>> = {
  '28': ['unauthorized', 'refuses this user: correct registry.url, or registry.password_file'],
  '42501': ['unauthorized', 'gives this user too few rights: docs/operations.md says which it needs'],
  '3D': ['missing', 'has no such database: make it, or correct registry.url'],
  '53100': ['limit', 'has no disk space left'],
  '53': ['unavailable', 'has no room for now'],
  '55': ['unavailable', 'waits for another change'],
  '57': ['unavailable', 'is stopping, starting or too slow'],
  '08': ['unavailable', 'lost the connection'],
  '40': ['unavailable', 'gave the change up for another one'],
  '25006': ['unavailable', 'is a standby that takes no changes'],
  XX001: ['corrupt', 'found its data damaged'],
}

/** What a failure of Postgres or of the way to it means. `committing`: COMMIT was sent. */
function translated(error: unknown, place: string, committing = false): Problem {
  const outcome = committing ? 'unknown' : 'did-not-happen'
  const found = messageOf(error)
  if (error instanceof DatabaseError && error.code !== undefined) {
    const [kind, means] = KINDS[error.code] ?? KINDS[error.code.slice(0, 2)] ?? ['internal', 'failed']
    return new Problem(kind, `Postgres at ${place} ${means} (${found})`, { outcome, cause: error })
  }
  return new Problem('unavailable', `Postgres at ${place} is not reached: ${found}`, { outcome, cause: error })
}
