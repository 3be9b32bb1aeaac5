import { expect, test } from 'vitest'
import { bucketLags } from './writer-lags.ts'

test('a bucket whose log cannot be read is there too, stopped and without a lag', () => {
  const metrics = `# TYPE hearth_writer_stopped gauge
hearth_writer_stopped{process="ingest",bucket="0"} 0
hearth_writer_stopped{process="ingest",bucket="3"} 1
hearth_writer_lag_batches{process="ingest",bucket="0"} 7
hearth_writer_lag_seconds{process="ingest",bucket="0"} 1.5e+1
`
  expect([...bucketLags(metrics)]).toEqual([
    [0, { seconds: 15, stopped: false }],
    [3, { seconds: undefined, stopped: true }],
  ])
})
