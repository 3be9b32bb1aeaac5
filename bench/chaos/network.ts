import type { Random } from '../../contract/clock.ts'
import { byChance, type FaultProxy } from '../../infra/fault-proxy.ts'
import type { TcpProxy } from '../../infra/tcp-proxy.ts'
import type { Weather } from './trouble.ts'

const SLOW_MS = 300
/** Shares of requests to S3 that go wrong in bad weather: most of all, what was done and not answered. */
const LOST = [
  [0.15, { kind: 'cut-after' }],
  [0.1, { kind: 'answer-after', status: 500, code: 'InternalError' }],
  [0.05, { kind: 'half' }],
  [0.05, { kind: 'cut-before' }],
  [0.05, { kind: 'hang' }],
  [0.1, { kind: 'answer', status: 503, code: 'SlowDown' }],
] as const

/** What the networks before S3 and the brokers can do. */
export function weathersOf(s3: FaultProxy, brokers: readonly TcpProxy[], random: Random): readonly Weather[] {
  const calm = () => undefined
  const ofBroker = (proxy: TcpProxy, i: number): readonly Weather[] => [
    {
      name: `broker-${i} loses its answers`,
      begin: () => (proxy.deaf = true),
      end() {
        proxy.deaf = false
        proxy.cut()
      },
    },
    { name: `broker-${i} is slow`, begin: () => (proxy.delay_ms = SLOW_MS), end: () => (proxy.delay_ms = 0) },
    {
      name: `broker-${i} cannot be reached`,
      begin() {
        proxy.refuse = true
        proxy.cut()
      },
      end: () => (proxy.refuse = false),
    },
  ]
  return [
    {
      name: 's3 loses its answers',
      begin: () => (s3.rule = byChance(() => random.float(), LOST)),
      end: () => (s3.rule = calm),
    },
    {
      name: 's3 is slow',
      begin: () => (s3.rule = () => ({ kind: 'delay', ms: SLOW_MS })),
      end: () => (s3.rule = calm),
    },
    ...brokers.flatMap(ofBroker),
  ]
}
