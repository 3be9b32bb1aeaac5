import { join } from 'node:path'
import { startSpark } from '../../infra/spark/spark.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { SPARK_FUNCTIONS, SPARK_SETTINGS, SPARK_VIEWS } from '../../jobs/spark/dialect.ts'
import { DAY, DAY_MS } from './day.ts'
import { isMeasured } from './measured.ts'

/** A session of Spark that makes the same metrics by hand: their SQL over Delta tables, each into a Delta table. */
export async function startSparkPeer(lake_folder: string) {
  const spark = await startSpark('Session', ['-Xmx2g'], {})
  const ask = async (sql: string) => {
    const { error } = (await spark.ask(sql)) as { readonly error?: string }
    if (error !== undefined) throw new Error(`Spark: ${error}`)
  }
  let isReady = false
  return {
    pid: spark.pid,
    /** Into one table a metric below a folder. */
    async pass(folder: string): Promise<void> {
      if (!isReady) for (const statement of [...SPARK_SETTINGS, ...SPARK_FUNCTIONS]) await ask(statement)
      isReady = true
      await ask(`CREATE OR REPLACE TEMP VIEW hours AS
        SELECT hour, hour + INTERVAL 1 HOUR AS hour_end, hour + INTERVAL 1 HOUR AS until, TRUE AS complete
        FROM (SELECT timestamp_millis(${DAY_MS} + id * 3600000) AS hour FROM range(24)) h`)
      for (const { name, only, sql, columns, inputs } of catalogue().filter(isMeasured)) {
        for (const { table } of inputs) {
          const place = table === 'events' ? join(lake_folder, table) : join(folder, table)
          const where = table === 'events' ? `event_date = DATE '${DAY}' AND (${only})` : 'TRUE'
          await ask(`CREATE OR REPLACE TEMP VIEW ${table} AS SELECT * FROM delta.\`${place}\` WHERE ${where}`)
        }
        for (const view of SPARK_VIEWS[name] ?? []) await ask(view)
        const list = columns.map((column) => `"${column.name}"`).join(', ')
        await ask(`CREATE TABLE delta.\`${join(folder, name)}\` USING delta AS SELECT ${list} FROM (${sql}) made`)
      }
    },
    [Symbol.asyncDispose]: () => spark[Symbol.asyncDispose](),
  }
}
