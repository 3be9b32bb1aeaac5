import { expect, test } from 'vitest'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { LOSSES_TABLE } from '../ingest/losses.ts'
import { SLO_ALERTS_TABLE } from '../jobs/alerts/alerts-table.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { JOB_RUNS_TABLE } from '../jobs/job-runs.ts'
import { OBJECTIVES_TABLE } from '../jobs/objectives-table.ts'
import { LATER_TABLES, missingTable } from './missing-table.ts'

test('each documented table that comes later is known as such', () => {
  const documented = [
    LOSSES_TABLE,
    JOB_RUNS_TABLE,
    OBJECTIVES_TABLE,
    SLO_ALERTS_TABLE,
    ...catalogue().map(({ name }) => name),
  ]
  expect([...LATER_TABLES.keys()].sort()).toEqual(documented.sort())
})

test.each([
  [LOSSES_TABLE, 'no table losses yet: no bucket was ever stopped, see docs/tables.md'],
  ['hub_hours', 'no table hub_hours yet: the jobs have not made it, see docs/tables.md'],
  ['event', 'no table event; did you mean events? There are events, readings'],
  ['nothing_like_it', 'no table nothing_like_it; there are events, readings'],
])('says of %s: %s', (name, message) => {
  expect(missingTable(name, [EVENTS_TABLE, 'readings'])).toMatchObject({ kind: 'missing', message })
})
