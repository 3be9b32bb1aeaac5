import { expect, test } from 'vitest'
import { relayUrl } from './relay-client.ts'

const relay = { url: 'http://127.0.0.1:8080' }

test('a path of the relay stays at the relay', () => {
  expect(relayUrl(relay, '/v1/hubs?x=//y').href).toBe('http://127.0.0.1:8080/v1/hubs?x=//y')
})

test.each([
  'http://169.254.169.254/v1/keys',
  '//169.254.169.254/v1/keys',
  '/\\169.254.169.254/v1/keys',
  'https://127.0.0.1:8080/v1/hubs',
  'http://127.0.0.1:8080/v1/hubs',
  'v1/hubs',
  '',
])('%j is asked of nobody', (path) => {
  expect(() => relayUrl(relay, path)).toThrow(/expected a path of the relay's API/)
})
