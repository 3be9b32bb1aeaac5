import { WebSocket } from 'ws'
import { z } from 'zod'
import type { CommandSet } from './http-app.ts'

const answer = z.object({ type: z.string(), ref: z.string().optional(), report: z.unknown().optional() })

/**
 * Apps that send commands over a WebSocket each, a token after the other. Resolves with the report; undefined where the relay
 * took no more. Events of others are not asked for.
 */
export async function socketApp(
  url: string,
  tokens: readonly string[],
): Promise<(hub: string, set?: CommandSet) => Promise<unknown>> {
  const waiting = new Map<string, (said: { readonly report?: unknown }) => void>()
  const open = async (token: string) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/live`, {
      headers: { authorization: `Bearer ${token}` },
    })
    socket.on('message', (data: Buffer) => {
      const said = answer.parse(JSON.parse(data.toString()))
      if (said.ref !== undefined) waiting.get(said.ref)?.(said)
    })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    socket.send(JSON.stringify({ type: 'listen', hubs: [] }))
    return socket
  }
  const sockets = await Promise.all(tokens.map(open))
  let number = 0
  return (hub, set = { powered: true }) =>
    new Promise((resolve) => {
      const ref = String(number)
      waiting.set(ref, ({ report }) => {
        waiting.delete(ref)
        resolve(report)
      })
      const command = { device: 'lamp', set }
      sockets[number++ % sockets.length]?.send(JSON.stringify({ type: 'command', ref, hub, command }))
    })
}
