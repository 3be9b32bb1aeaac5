import { z } from 'zod'
import { DEADLINE_MAX_MS, DEADLINE_MIN_MS } from '../contract/limits.ts'
import { COMMANDS_DEFAULT, COMMANDS_MAX, ROWS_DEFAULT, ROWS_MAX, SQL_MAX_CHARACTERS } from './limits.ts'

/** What the dashboards' API takes and answers: checked by the server, described by OpenAPI, typed for the web app. */

/** The last moment of year 9999: dates beyond it have no form that SQL reads. */
const TIME_MAX_MS = 253_402_300_799_999
export const time_ms = z.coerce.number().int().min(0).max(TIME_MAX_MS).describe('ms since 1970 UTC')
const number = z.number().nullable()

export const queryRequest = z.strictObject({
  sql: z.string().min(1).max(SQL_MAX_CHARACTERS).describe('one SELECT'),
  max_rows: z.number().int().min(1).max(ROWS_MAX).default(ROWS_DEFAULT),
})

export const queryAnswer = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  truncated: z.boolean().describe('more rows were there than max_rows'),
  statistics: z.object({
    ms: z.number(),
    files: z.number().describe('data files read'),
    bytes: z.number().describe('their size'),
    partitions: z.number().describe('partitions that they are of'),
    days: z
      .object({ first: z.string(), last: z.string() })
      .nullable()
      .describe('first and last UTC day of what was read; null where no table is kept by day'),
    versions: z.record(z.string(), z.number()).describe('version of each table read'),
  }),
})

export const schemaAnswer = z.object({
  tables: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['table', 'view']),
      meaning: z.string(),
      columns: z.array(
        z.object({
          name: z.string(),
          type: z.string(),
          unit: z.string().optional(),
          meaning: z.string().optional(),
        }),
      ),
    }),
  ),
})

export const definitionsAnswer = z.object({
  definitions: z.array(
    z.object({
      name: z.string().describe('what figures name'),
      title: z.string(),
      unit: z.string().optional(),
      meaning: z.string(),
      table: z.string().optional().describe('the metric table it is read from'),
    }),
  ),
})
export type Definition = z.infer<typeof definitionsAnswer>['definitions'][number]

export const windowQuery = z
  .object({ from: time_ms, to: time_ms })
  .refine(({ from, to }) => from < to, 'from must be before to')

/** A number of the page: its value, the same of the window before, and the SELECT that made it. */
const figure = z.object({
  value: number,
  before: number.describe('the same over the window before, of equal length'),
  of: number.describe('what it was computed over: ms expected, commands, events, …').optional(),
  sql: z.string(),
})
export type FigureValue = z.infer<typeof figure>

export const fleetAnswer = z.object({
  window: z.object({
    from_ms: z.number().describe('start, on a whole interval'),
    to_ms: z.number(),
    interval_ms: z.number().describe('length of one point of the series'),
  }),
  figures: z.object({
    availability: figure,
    success: figure,
    loss: figure,
    disconnects: figure,
    p50: figure,
    p95: figure,
    p99: figure,
    hubs: figure,
    commands: figure,
  }),
  account: z
    .object({ dropped: number, dead: number, pending: number })
    .describe('events beside the lost: discarded by hubs, unreadable, and still awaited at the end of the window'),
  marks: z
    .array(z.object({ time_ms: z.number(), to_ms: z.number().optional(), words: z.string() }))
    .describe(
      'when each firmware that is new in this window was first seen, and from when to when hubs were in maintenance',
    ),
  outcomes: z.record(z.string(), z.number()),
  series: z.object({
    time_ms: z.array(z.number()),
    availability: z.array(number),
    success: z.array(number),
    loss: z.array(number),
    commands: z.array(number),
    p50: z.array(number),
    p95: z.array(number),
    p99: z.array(number),
    sql: z.object({ hours: z.string(), latency: z.string() }),
  }),
  heat: z.object({
    /** Cells: index into time_ms, index of the log bucket, count. */
    cells: z.array(z.tuple([z.number(), z.number(), z.number()])),
    gamma: z.number().describe('bucket i covers (gamma^(i-1), gamma^i] ms'),
  }),
  worst: z.object({
    hubs: z.array(
      z.object({
        hub: z.string(),
        region: z.string().nullable(),
        firmware: z.string().nullable(),
        availability: number,
        disconnects: number,
        commands: number,
        success: number,
        loss: number,
        crashes: number,
      }),
    ),
    sql: z.string(),
  }),
  firmware: z.object({
    rows: z.array(
      z.object({
        firmware: z.string(),
        hubs: number,
        hub_hours: number,
        availability: number,
        disconnects_per_day: number,
        commands: number,
        success: number,
        p50: number,
        p95: number,
        p99: number,
        crashes: number,
        loss: number,
      }),
    ),
    sql: z.string(),
  }),
})
export type FleetAnswer = z.infer<typeof fleetAnswer>

export const freshnessAnswer = z.object({
  now_ms: z.number().describe("the server's wall clock"),
  newest_event_ms: number.describe('event_time of the newest committed event'),
  newest_received_ms: number.describe('received_time of the newest committed event'),
  metrics_to_ms: number.describe('end of the newest hour that fleet_hours covers'),
  loss: number.describe('lost of sent over the newest day of metrics'),
})
export type FreshnessAnswer = z.infer<typeof freshnessAnswer>

export const completenessAnswer = z.object({
  loss: number.describe('events found lost of those sent; null while nothing is known of these hours'),
  known_to_ms: number.describe('end of the newest hour of which this is known in full'),
})
export type CompletenessAnswer = z.infer<typeof completenessAnswer>

const moment = z.object({ stage: z.string(), by: z.enum(['relay', 'hub']), ms: z.number() })
export type Moment = z.infer<typeof moment>

/** One command, from the relay while it is young, from the lake later. */
export const commandTrace = z.object({
  command: z.string(),
  hub: z.string(),
  device: z.string().nullable(),
  set: z.record(z.string(), z.unknown()).nullable(),
  app: z.string().nullable(),
  issued_ms: number,
  deadline_ms: number,
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  round_trip_ms: number,
  stages: z.array(moment),
  told_by: z.enum(['relay', 'lake']),
})
export type CommandTrace = z.infer<typeof commandTrace>

export const commandsQuery = z.object({
  from: time_ms,
  to: time_ms,
  hub: z.string().max(64).optional(),
  outcome: z.string().max(32).optional(),
  limit: z.coerce.number().int().min(1).max(COMMANDS_MAX).default(COMMANDS_DEFAULT),
})
export const commandsAnswer = z.object({
  commands: z.array(commandTrace),
  counts: z.record(z.string(), z.number()).describe('of all commands in the window, by outcome'),
  sql: z.string(),
})
export type CommandsAnswer = z.infer<typeof commandsAnswer>

export const traceAnswer = z.object({ trace: commandTrace, sql: z.string() })
export type TraceAnswer = z.infer<typeof traceAnswer>

export const aroundAnswer = z.object({
  connections: z.array(z.object({ time_ms: z.number(), stage: z.string(), reason: z.string().nullable() })),
  readings: z.array(
    z.object({
      time_ms: z.number(),
      attribute: z.string().nullable(),
      value: number,
      text: z.string().nullable(),
      unit: z.string().nullable(),
    }),
  ),
  from_ms: z.number(),
  to_ms: z.number(),
})
export type AroundAnswer = z.infer<typeof aroundAnswer>

export const sendRequest = z.strictObject({
  hub: z.string().min(1).max(64),
  device: z.string().min(1).max(64),
  set: z.record(z.string(), z.union([z.number(), z.boolean(), z.string().max(256)])),
  deadline_ms: z.number().int().min(DEADLINE_MIN_MS).max(DEADLINE_MAX_MS).optional(),
})

export const hubsAnswer = z.object({
  hubs: z.array(
    z.object({
      hub: z.string(),
      home: z.string(),
      region: z.string(),
      model: z.string(),
      zone: z.string(),
      connected: z.boolean().nullable().describe('null: the relay does not answer'),
      disconnected_ms: number.describe(
        'when it disconnected, by its newest event since yesterday; null where it is connected or that is not on record',
      ),
      devices: z
        .array(z.object({ device: z.string(), attributes: z.array(z.string()) }))
        .describe('devices that reported or were commanded in the last days'),
    }),
  ),
  relay: z.enum(['up', 'down']),
  stored: z.boolean().describe('false: the tables did not answer in time; disconnects and devices are not told'),
})
export type HubsAnswer = z.infer<typeof hubsAnswer>

export const deviceStates = z.array(
  z.object({
    device: z.string(),
    attributes: z.array(
      z.object({
        attribute: z.string(),
        value: z.union([z.number(), z.boolean(), z.string()]).nullable().describe('flags may be 0 and 1'),
        unit: z.string().nullable(),
        time_ms: number.describe('when the device said so'),
      }),
    ),
  }),
)
export type DeviceStates = z.infer<typeof deviceStates>

export const hubDevicesAnswer = z.object({
  hub: z.string(),
  home: z.string(),
  connected: z.boolean().nullable().describe('null: the relay does not answer'),
  devices: deviceStates.describe('devices that reported since yesterday, and what each said last'),
  stored: z.boolean().describe('false: the tables could not be read in time; only what came live is told'),
})
export type HubDevicesAnswer = z.infer<typeof hubDevicesAnswer>

/** One line of the live feed: the relay's messages as they come, and what this server adds. */
export const liveMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('command'), trace: commandTrace }),
  z.object({
    type: z.literal('connection'),
    hub: z.string(),
    connected: z.boolean(),
    epoch: z.string().describe('of the session that began or ended: an end of one that is not the newest says nothing'),
    reason: z.string().nullable(),
  }),
  z.object({ type: z.literal('state'), hub: z.string(), device: z.string(), set: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal('relay'), up: z.boolean() }),
])
export type LiveMessage = z.infer<typeof liveMessage>
