/** A metric of one's own, as somebody would write it. */
export const LAMP_SELECT = `SELECT date_trunc('hour', event_time) AS hour, bucket, hub_id, COUNT(*) AS commands
FROM events GROUP BY date_trunc('hour', event_time), bucket, hub_id`

/** Its file, with this SELECT. */
export const lampHours = (select = LAMP_SELECT) => `-- metric: lamp_hours
-- meaning: commands of each hub in each hour
-- grain: hub × hour
-- unit: hour
-- keys: hub_id
-- inputs: events by hour
-- only: kind = 'command' AND stage = 'issued'
-- affects: an event, its hour
-- owner: kitchen
-- revision: 1
-- column: hour timestamp — the hour, UTC
-- column: bucket integer — bucket of the hub
-- column: hub_id string — the hub
-- column: commands long commands — commands issued
-- check: some — commands > 0

${select}
`
