import { z } from 'zod'
import { commandRequest, OUTCOMES, STAGES } from '../contract/command.ts'
import { LIVE_PROTOCOL, TOKEN_PROTOCOL } from '../contract/live-message.ts'

const report = z.object({
  command: z.string().describe('id of the command, the same from app to radio to table'),
  hub: z.string(),
  device: z.string(),
  set: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
  issued: z.number().describe('wall time of issue, ms since 1970'),
  day: z.string().describe('UTC day of issue; send it as Idempotency-Day with a retry after midnight'),
  deadline_ms: z.number(),
  outcome: z.enum(OUTCOMES).optional().describe('absent while it is running'),
  reason: z.string().optional(),
  stages: z.array(z.object({ stage: z.enum([...STAGES, ...OUTCOMES]), by: z.enum(['relay', 'hub']), ms: z.number() })),
  round_trip_ms: z.number().optional().describe("sent to acked, on the relay's clock"),
})
const connectedHubs = z.object({
  hubs: z.array(
    z.object({
      hub: z.string(),
      relay: z.string().describe('the relay that holds it'),
      epoch: z.string().describe("the session's, as the hub gave it"),
      since_ms: z.number().describe('when it connected, ms since 1970'),
    }),
  ),
  incomplete: z.string().optional().describe('why hubs of other relays are missing; absent when none are'),
})
const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  kind: z.string(),
  outcome: z.string(),
  detail: z.string(),
  message: z.string().describe('as detail'),
})

const json = (schema: z.ZodType, description: string, type = 'application/json') => ({
  description,
  content: { [type]: { schema: z.toJSONSchema(schema, { io: 'input' }) } },
})
const refused = (description: string) => json(problem, description, 'application/problem+json')
const denied = (scopes: string) => ({
  401: refused('no or a bad token'),
  403: refused(`the token lacks the scope ${scopes}`),
  429: refused('too many; Retry-After says when'),
})
const parameter = (name: string, place: 'path' | 'header', description: string) => ({
  name,
  in: place,
  required: place === 'path',
  description,
  schema: { type: 'string' },
})

/** The app API as OpenAPI 3.1, from the schemas that check it. */
export function openApiDocument() {
  const security = [{ token: [] }]
  return {
    openapi: '3.1.0',
    info: { title: 'Hearth relay', version: '1', description: 'Commands to hubs, and what became of them.' },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths: {
      '/v1/hubs/{hub}/commands': {
        post: {
          summary: 'Send a command; the answer comes with its outcome, or at the deadline',
          security,
          parameters: [
            parameter('hub', 'path', 'the hub'),
            parameter('Idempotency-Key', 'header', 'a retry with the same key and body is the same command'),
            parameter('Idempotency-Day', 'header', 'the day of the first answer, on a retry after midnight'),
            parameter('Prefer', 'header', 'respond-async: answer at once with 202'),
          ],
          requestBody: { required: true, ...json(commandRequest, 'what is to be set') },
          responses: {
            200: json(report, 'the outcome'),
            202: json(report, 'accepted; GET /v1/commands/{id} tells the rest'),
            400: refused('not a command'),
            401: refused('no or a bad token'),
            403: refused('the token lacks the scope commands'),
            404: refused('no such hub, or not for this token'),
            409: refused('the Idempotency-Key was used for another command'),
            429: refused('too many; Retry-After says when'),
            503: refused(
              'shutting down, or the ledger cannot be written: nothing was issued; or, outcome unknown, the relay that has the hub fell silent',
            ),
          },
        },
      },
      '/v1/commands/{id}': {
        get: {
          summary: 'A command of the last 24 hours',
          security,
          parameters: [parameter('id', 'path', 'the command')],
          responses: {
            200: json(report.extend({ app: z.string() }), 'as it stands'),
            ...denied('observe or commands'),
            404: refused('not in memory, or not for this token'),
            503: refused('the relay that got it does not say what became of it'),
          },
        },
      },
      '/v1/hubs': {
        get: {
          summary: 'Hubs with an open control connection, to whichever relay of the fleet',
          security,
          responses: { 200: json(connectedHubs, 'those that the token may see'), ...denied('observe') },
        },
      },
      '/v1/live': {
        get: {
          summary:
            'WebSocket: stages, outcomes, states and connections of hubs as they happen, at whichever relay; takes commands',
          description: `What does not send headers offers the subprotocols ${LIVE_PROTOCOL} and ${TOKEN_PROTOCOL}<token>. Messages are in contract/live-message.ts.`,
          security,
          responses: { 101: { description: 'JSON messages' }, ...denied('observe') },
        },
      },
    },
  }
}
