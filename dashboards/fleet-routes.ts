import type { Clock } from '../contract/clock.ts'
import { completenessAnswer, fleetAnswer, freshnessAnswer, windowQuery } from './api.ts'
import { completenessOf, fleetAnswerOf, freshnessOf } from './fleet.ts'
import type { Queries } from './query-protocol.ts'
import { hangUp, type Router } from './route.ts'
import { shareAnswers } from './shared-answers.ts'

/** The Fleet page's figures, and how fresh all data is. */
export function mountFleet(route: Router, options: { readonly queries: Queries; readonly clock: Clock }): void {
  const { queries, clock } = options
  const shared = shareAnswers(clock)
  // A shared answer must not die with the first who asked for it; the query's own time limit ends it.
  const nobody = new AbortController().signal
  route({
    method: 'GET',
    url: '/api/fleet',
    summary: 'Figures, series, worst hubs and firmware of a window, widened to whole hours.',
    scope: 'query',
    fleet: true,
    query: windowQuery,
    answer: fleetAnswer,
    handle: ({ query }) =>
      shared(`fleet ${query.from} ${query.to}`, () => fleetAnswerOf(queries, query.from, query.to, nobody)),
  })
  route({
    method: 'GET',
    url: '/api/completeness',
    summary: 'How much of the events of a window, in whole hours, is known to be lost.',
    scope: 'query',
    fleet: true,
    query: windowQuery,
    answer: completenessAnswer,
    handle: ({ query }, { request, reply }) => completenessOf(queries, query, hangUp(request, reply)),
  })
  route({
    method: 'GET',
    url: '/api/freshness',
    summary: 'How new the newest committed data is, and what was lost.',
    scope: 'query',
    answer: freshnessAnswer,
    handle: async () => {
      const answer = await shared('freshness', () => freshnessOf(queries, clock.now(), nobody))
      return { ...answer, now_ms: clock.now() }
    },
  })
}
