import { z } from 'zod'
import { ID_PATTERN } from './source.ts'

/** A time without alerts and outside availability: [from, to) in ms since 1970. */
export const maintenanceWindow = z.object({ from_ms: z.number().int(), to_ms: z.number().int() })

/** A hub as the fleet knows it from `valid_from_ms` on, until the next record of the same hub. */
export const hubRecord = z.object({
  hub: z.string().regex(ID_PATTERN),
  home: z.string().regex(ID_PATTERN),
  region: z.string().max(64),
  model: z.string().max(64),
  /** IANA time zone, `Europe/Berlin`. */
  zone: z.string().max(64),
  /** Rises when the hub is enrolled anew. */
  generation: z.number().int().min(1),
  enrolled_ms: z.number().int(),
  retired_ms: z.number().int().optional(),
  maintenance: z.array(maintenanceWindow).max(64).default([]),
})
export type HubRecord = z.infer<typeof hubRecord>

export const HUB_CHANGES = ['enrolled', 'changed', 'maintenance', 'retired'] as const
export type HubChange = (typeof HUB_CHANGES)[number]

/**
 * A registry event on the wire: kind `registry`, `stage` = the change, and the whole new record in fields of its own
 * (they land in `extra` as text): home, region, model, zone, generation, enrolled_ms, retired_ms, maintenance (JSON),
 * valid_from_ms. A record counts from its valid_from_ms, not from the event's time.
 */
export type RegistryEventFields = HubRecord & { readonly valid_from_ms: number }
