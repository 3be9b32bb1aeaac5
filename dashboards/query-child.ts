import { isProblem, messageOf } from '../contract/problem.ts'
import type { FromChild, QueryAnswer, QueryOrder, SchemaAnswer, ToChild } from './query-protocol.ts'

/** What the child can do: the lake's own query, whoever opened it. */
export type Engine = {
  run(order: QueryOrder, signal: AbortSignal): Promise<QueryAnswer>
  schema(): Promise<SchemaAnswer>
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
  const answer = async (message: Exclude<ToChild, { type: 'cancel' }>) => {
    const controller = new AbortController()
    running.set(message.id, controller)
    try {
      if (message.type === 'schema') tell({ type: 'schema', id: message.id, schema: await engine.schema() })
      else tell({ type: 'answer', id: message.id, answer: await engine.run(message.order, controller.signal) })
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
