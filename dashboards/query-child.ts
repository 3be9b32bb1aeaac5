import { isProblem, messageOf } from '../contract/problem.ts'
import type { JobsLook } from './jobs-look.ts'
import type { LakeLook } from './lake-look.ts'
import type { FromChild, QueryAnswer, QueryOrder, SchemaAnswer, ToChild } from './query-protocol.ts'

/** What the child can do: the lake's own query, and looks at its tables and what becomes of them, whoever opened it. */
export type Engine = LakeLook &
  JobsLook & {
    run(order: QueryOrder, signal: AbortSignal): Promise<QueryAnswer>
    schema(): Promise<SchemaAnswer>
  }

type Question = Exclude<ToChild, { type: 'cancel' }>

async function answerOf(engine: Engine, message: Question, signal: AbortSignal): Promise<FromChild> {
  const { id } = message
  switch (message.type) {
    case 'schema':
      return { type: 'schema', id, schema: await engine.schema() }
    case 'tables':
      return { type: 'tables', id, tables: await engine.tables() }
    case 'versions':
      return { type: 'versions', id, versions: await engine.versions(message.order.table, message.order.limit) }
    case 'standing':
      return { type: 'standing', id, standing: await engine.standing() }
    case 'explain':
      return { type: 'explained', id, explained: await engine.explain(message.order.metric, message.order.hour_ms) }
    case 'run':
      return { type: 'answer', id, answer: await engine.run(message.order, signal) }
  }
}

/**
 * The child's side: answers orders from the parent until the channel closes. It owns DuckDB, so that a query that
 * eats the processor or dies of memory takes down nothing but itself.
 */
export function serveQueries(engine: Engine, channel: NodeJS.Process): void {
  const running = new Map<number, AbortController>()
  const tell = (message: FromChild) => {
    if (channel.connected) channel.send?.(message)
  }
  const answer = async (message: Question) => {
    const controller = new AbortController()
    running.set(message.id, controller)
    try {
      tell(await answerOf(engine, message, controller.signal))
    } catch (error) {
      const kind = controller.signal.aborted ? 'closed' : isProblem(error) ? error.kind : 'internal'
      tell({ type: 'problem', id: message.id, kind, message: messageOf(error) })
    } finally {
      running.delete(message.id)
    }
  }
  channel.on('message', (message: ToChild) => {
    if (message.type === 'cancel') running.get(message.id)?.abort(new Error('the query was cancelled'))
    else void answer(message)
  })
  channel.once('disconnect', () => channel.exit(0))
  tell({ type: 'ready' })
}
