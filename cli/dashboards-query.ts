import { z } from 'zod'
import { openJobsLook } from '../dashboards/jobs-look.ts'
import { openLakeLook } from '../dashboards/lake-look.ts'
import { QUERY_MEMORY_LIMIT, QUERY_THREADS } from '../dashboards/limits.ts'
import { serveQueries } from '../dashboards/query-child.ts'
import { lakeEngine } from '../dashboards/query-engine.ts'
import { QUERY_PROCESS_MAX_BYTES } from '../lake/limits.ts'
import { watchMemory } from '../lake/memory-watch.ts'
import { openQuery } from '../lake/query.ts'
import { configSchema } from './config.ts'
import { openLocalLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { machineClock, machineRandom } from './machine.ts'
import { metricsOf } from './metrics-of.ts'

/** The dashboards' query process: started by them, told the state folder and the configuration. */
const [home, text] = z.tuple([z.string(), z.string()]).parse(process.argv.slice(2))
const config = configSchema.parse(JSON.parse(text))
// A terminal's Ctrl-C reaches the whole tree; this process ends when its parent closes the channel.
process.on('SIGINT', () => undefined)
const lake = await openLocalLake({ home, config, clock: machineClock, random: machineRandom })
const query = await openQuery({
  lake,
  clock: machineClock,
  threads: QUERY_THREADS,
  memory_limit: QUERY_MEMORY_LIMIT,
  cache: lakeCache({ home, config }),
})
// The parent says to those who asked that it died, perhaps of memory, and starts another.
watchMemory({
  clock: machineClock,
  used_bytes: () => process.memoryUsage.rss(),
  max_bytes: QUERY_PROCESS_MAX_BYTES,
  past: () => process.kill(process.pid, 'SIGKILL'),
})
const jobs = openJobsLook({ lake, clock: machineClock, metrics: metricsOf({ config }) })
serveQueries(lakeEngine(query, { ...openLakeLook(lake), ...jobs }), process)
