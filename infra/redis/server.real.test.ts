import { expect, test } from 'vitest'
import { type RedisServerOptions, startRedis } from './server.ts'

test.each<[string, RedisServerOptions, string]>([
  ['keeps nothing through a restart', {}, '\n'],
  ['keeps everything through a restart when it is durable', { durable: true }, 'kept\n'],
  ['keeps a password and TLS through a restart', { durable: true, password: 'a-word', tls: true }, 'kept\n'],
])('a server for tests %s', async (_, options, kept) => {
  await using redis = await startRedis(options)
  expect(await redis.ask('set', 'a', 'kept')).toBe('OK\n')
  await redis.restart()
  expect(await redis.ask('get', 'a')).toBe(kept)
  await redis.empty()
  expect(await redis.ask('get', 'a')).toBe('\n')
})
