import type { Catalogue } from '../jobs/catalogue.ts'
import { csvOf } from '../lake/answer.ts'
import { definitionsAnswer, queryAnswer, queryRequest, schemaAnswer } from './api.ts'
import { arrowOf } from './arrow.ts'
import { DEFINITIONS, metricDefinitions } from './definitions.ts'
import type { Queries } from './query-protocol.ts'
import { hangUp, type Router } from './route.ts'

const ARROW = 'application/vnd.apache.arrow.stream'
const CSV = 'text/csv'

/** Asking the lake: SQL, its tables, and what the figures mean. */
export function mountQuery(route: Router, options: { readonly queries: Queries; readonly metrics: Catalogue }): void {
  const { queries, metrics } = options
  route({
    method: 'POST',
    url: '/api/query',
    summary: 'One SELECT over the lake; hanging up cancels it. As JSON, CSV or an Arrow stream, by Accept.',
    scope: 'query',
    fleet: true,
    body: queryRequest,
    answer: queryAnswer,
    produces: [ARROW, CSV],
    handle: async ({ body }, { request, reply }) => {
      const answer = await queries.run(body, hangUp(request, reply))
      const accept = request.headers.accept ?? ''
      if (accept.includes(ARROW)) return reply.type(ARROW).send(Buffer.from(arrowOf(answer)))
      if (accept.includes(CSV)) return reply.type(`${CSV}; charset=utf-8`).send(csvOf(answer))
      return answer
    },
  })
  route({
    method: 'GET',
    url: '/api/schema',
    summary: 'Tables and views, their columns, units and meaning.',
    scope: 'query',
    answer: schemaAnswer,
    handle: async (_input, { request, reply }) => queries.schema(hangUp(request, reply)),
  })
  route({
    method: 'GET',
    url: '/api/definitions',
    summary: 'What each figure of the pages means.',
    scope: 'observe',
    answer: definitionsAnswer,
    handle: async () => ({ definitions: [...DEFINITIONS, ...metricDefinitions(metrics)] }),
  })
}
