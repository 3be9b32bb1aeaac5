import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { mountWeb, NOT_BUILT } from './built-app.ts'

test('pages are 503 until the web app is built, and then come without a new start', async () => {
  const home = mkdtempSync(join(tmpdir(), 'hearth-web-'))
  const folder = join(home, 'dist')
  const app = Fastify()
  await mountWeb(app, folder)
  const get = async (url: string) => {
    const { statusCode, body } = await app.inject({ url, headers: { accept: 'text/html' } })
    return [statusCode, body]
  }
  expect(await get('/')).toEqual([503, `${NOT_BUILT}\n`])
  expect(await get('/commands')).toEqual([503, `${NOT_BUILT}\n`])
  mkdirSync(join(folder, 'assets'), { recursive: true })
  writeFileSync(join(folder, 'index.html'), '<p>app</p>')
  writeFileSync(join(folder, 'assets', 'a.js'), 'let a')
  expect(await get('/')).toEqual([200, '<p>app</p>'])
  expect(await get('/commands')).toEqual([200, '<p>app</p>'])
  expect(await get('/assets/a.js')).toEqual([200, 'let a'])
  await app.close()
  rmSync(home, { recursive: true })
})
