/** The dashboards of this folder as tests read them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const source = z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') })
const text = z.string().min(1)
const place = z.object({
  h: z.number().min(1),
  w: z.number().min(1).max(24),
  x: z.number().min(0),
  y: z.number().min(0),
})
const row = z.object({ id: z.number(), type: z.literal('row'), title: text, gridPos: place })
const panel = z.object({
  ...{ id: z.number(), type: z.enum(['timeseries', 'stat', 'heatmap']), title: text, description: text },
  ...{ datasource: source, gridPos: place },
  fieldConfig: z.object({ defaults: z.object({ unit: text }) }),
  targets: z.array(z.object({ refId: text, datasource: source, expr: text })).min(1),
})
const variable = z.object({ name: text, label: text, type: z.enum(['datasource', 'query']) })

const dashboard = z.object({
  ...{ uid: text, title: text, schemaVersion: z.number().min(36), version: z.number() },
  templating: z.object({ list: z.array(variable) }),
  panels: z.array(z.discriminatedUnion('type', [row, panel])),
})

export type Dashboard = z.infer<typeof dashboard> & { readonly file: string }

/** Raises what is wrong with the shape of one, as Grafana's JSON model has it. */
export function dashboards(): readonly Dashboard[] {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.json'))
  return files.map((file) => ({
    ...dashboard.parse(JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8'))),
    file,
  }))
}

/** Every expression of a dashboard, with Grafana's own variables as it would fill them in. */
export function expressionsOf({ panels }: Dashboard): readonly string[] {
  return panels.flatMap((one) =>
    one.type === 'row'
      ? []
      : one.targets.map(({ expr }) =>
          expr.replaceAll('$__rate_interval', '5m').replace(/\$(job|instance|bucket)/g, '.*'),
        ),
  )
}
