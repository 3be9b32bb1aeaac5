/** `npm run chaos`: see chaos.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { machineRandom } from '../../cli/machine.ts'
import { scriptOptions } from '../../cli/script-options.ts'
import { runChaos } from './chaos.ts'

const USAGE = `npm run chaos [-- --minutes N] [--seed N] [--hubs N] [--network] [--json]

Three brokers, an S3 server, gateways, writers and jobs, hubs that send through TLS and write down what was acknowledged;
kill -9 and SIGSTOP at random; then hearth verify. Exit code 1 when anything acknowledged is lost or doubled.

  --minutes N   how long trouble comes (10)
  --seed N      repeats the moments of a run; what the machine does at them is its own
  --hubs N      hubs that send (12)
  --network     also a faulty network before Kafka and S3: answers lost above all
  --json        the report as JSON on standard output, progress on standard error

Examples:
  npm run chaos
  npm run chaos -- --minutes 2 --network --seed 7
`

const options = {
  minutes: { type: 'string', default: '10' },
  seed: { type: 'string' },
  hubs: { type: 'string', default: '12' },
  network: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const values = scriptOptions(options)
if (!values) process.exitCode = 2
else if (values.help) process.stdout.write(USAGE)
else process.exitCode = await main(values)

async function main(values: NonNullable<ReturnType<typeof scriptOptions<typeof options>>>): Promise<number> {
  const seed = Number(values.seed ?? Math.floor(machineRandom.float() * 2 ** 31))
  const folder = mkdtempSync(join(tmpdir(), 'hearth-chaos-'))
  const begun = performance.now()
  const note = (text: string) =>
    process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${text}\n`)
  note(`seed ${seed}`)
  try {
    const { minutes, hubs, network } = { ...values, minutes: Number(values.minutes), hubs: Number(values.hubs) }
    const report = await runChaos({ minutes, hubs, network, seed, folder, note })
    process.stdout.write(values.json ? `${JSON.stringify({ seed, ...report }, undefined, 2)}\n` : `\n${report.text}\n`)
    return report.ok ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
