/** What a process that is one hub has in memory: it shares a small machine (docs/decisions/121). */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const HEARTH = fileURLToPath(new URL('./hearth.js', import.meta.url))
/** Writes the URL of each module that is loaded. */
const TRACE = `import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) { process.stdout.write('loaded ' + url + '\\n'); return next(url, context) } })`

it('loads nothing of lake, CA, web server, Prometheus or YAML', () => {
  const trace = `data:text/javascript,${encodeURIComponent(TRACE)}`
  const said = execFileSync(process.execPath, ['--import', trace, HEARTH, 'hub', '--help'], { encoding: 'utf8' })
  const loaded = [...said.matchAll(/^loaded (.*)$/gm)].map(([, url = '']) => url)
  expect(loaded.some((url) => url.endsWith('/hub-agent/agent.ts'))).toBe(true)
  const unwanted =
    /node_modules\/(@duckdb|apache-arrow|@aws-sdk|fastify|@peculiar|yaml|pino-pretty|prom-client|@opentelemetry|ioredis|bullmq)\/|\/(relay|registry|jobs|dashboards)\/[^/]+\.ts$|\/lake\/(?!limits)|^node:https?$/
  expect(loaded.filter((url) => unwanted.test(url))).toEqual([])
})
