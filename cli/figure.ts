/** Figures of a process that are read from it when they are asked for, so that the rooms know nothing of Prometheus. */
import { Counter, Gauge, type Registry } from 'prom-client'

type Labels = Readonly<Record<string, string>>
/** One value, or one for each set of labels. */
export type Read = () =>
  | number
  | readonly (readonly [Labels, number])[]
  | Promise<readonly (readonly [Labels, number])[]>

export type Figures = {
  /** Only rises, from 0 at the start of the process; its name ends in `_total`. */
  counter(name: string, help: string, read: Read): void
  gauge(name: string, help: string, read: Read): void
}

export function figuresIn(metrics: Registry): Figures {
  return {
    counter(name, help, read) {
      const collect = async function (this: Counter) {
        this.reset()
        for (const [labels, value] of await valuesOf(read)) this.inc(labels, value)
      }
      metrics.registerMetric(new Counter({ name, help, registers: [], collect, labelNames: LABELS }))
    },
    gauge(name, help, read) {
      const collect = async function (this: Gauge) {
        this.reset()
        for (const [labels, value] of await valuesOf(read)) this.set(labels, value)
      }
      metrics.registerMetric(new Gauge({ name, help, registers: [], collect, labelNames: LABELS }))
    },
  }
}

/** Every label that a figure of Hearth may have. */
const LABELS = ['bucket', 'outcome', 'metric', 'to', 'stream', 'table'] as const

async function valuesOf(read: Read): Promise<readonly (readonly [Labels, number])[]> {
  const found = await read()
  return typeof found === 'number' ? [[{}, found]] : found
}

/** Upper bounds of histograms of time in seconds: from what one core does at once to what a person gives up on. */
export const SECONDS_BUCKETS = [...[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]]
