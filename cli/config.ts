import { z } from 'zod'

const port = z.number().int().min(0).max(65535)

/** Everything that can be set, in `hearth.yaml` or as `HEARTH_<SECTION>_<KEY>`. Every key is optional. */
export const configSchema = z.strictObject({
  fleet: z.string().default('demo').describe('name of the fleet; part of every certificate and of lake.json'),
  region: z.string().default('local').describe('region of the lake'),
  layout: z
    .strictObject({ buckets: z.number().int().min(1).max(1024).default(4).describe('buckets of a new lake') })
    .prefault({}),
  relay: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('address the relay listens on'),
      hub_port: port.default(8883).describe('MQTT over TLS for the control connection of hubs'),
      app_port: port.default(8980).describe('HTTP and WebSocket for apps'),
    })
    .prefault({}),
  ingest: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('address the gateway listens on'),
      mqtt_port: port.default(8884).describe('MQTT over TLS for telemetry'),
      https_port: port.default(8985).describe('HTTPS for telemetry batches and enrolment'),
      freshness_ms: z
        .number()
        .int()
        .min(100)
        .default(10_000)
        .describe('longest time a batch waits before it is committed'),
    })
    .prefault({}),
  jobs: z
    .strictObject({
      interval_ms: z.number().int().min(1000).default(15_000).describe('how often the schedule looks for due work'),
      threads: z.number().int().min(1).default(1).describe('DuckDB threads of a task'),
    })
    .prefault({}),
  dashboards: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('address the dashboards listen on'),
      port: port.default(8990).describe('HTTP for people'),
    })
    .prefault({}),
})

export type Config = z.infer<typeof configSchema>
