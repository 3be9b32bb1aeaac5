import type { Registry } from 'prom-client'
import type { DashboardsLoad } from '../dashboards/server.ts'
import { figuresIn } from './figure.ts'

export function dashboardsFigures(metrics: Registry, load: () => DashboardsLoad): void {
  const { counter, gauge } = figuresIn(metrics)
  gauge('hearth_dashboards_running_queries', 'Queries that run now.', () => load().queries_running)
  gauge('hearth_dashboards_waiting_queries', 'Queries that wait for a place.', () => load().queries_waiting)
  counter(
    'hearth_dashboards_query_process_restarts_total',
    'Starts of the query process after a death.',
    () => load().query_process_restarts,
  )
  gauge('hearth_dashboards_live_listeners', 'Browsers on the live feed.', () => load().live_listeners)
  gauge('hearth_dashboards_relay_up', '1 while the live feed of the relay is open.', () => (load().relay_up ? 1 : 0))
}
