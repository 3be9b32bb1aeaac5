import { Agent, request } from 'node:http'

/** What a relay answered to one command by HTTP. */
export type HttpAnswer = { readonly status: number | undefined; readonly text: string }

/** What a lamp is told to be. */
export type CommandSet = Readonly<Record<string, boolean | number>>

/** An app that sends commands by HTTP, a request each, over so many connections that it keeps; a token after the other. */
export function httpApp(
  url: string,
  tokens: readonly string[],
  connections: number,
): (hub: string, set?: CommandSet) => Promise<HttpAnswer> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const of = tokens.map((token) => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' }))
  let number = 0
  return (hub, set = { powered: true }) =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ device: 'lamp', set })
      const headers = { ...of[number++ % of.length], 'content-length': body.length }
      const options = { method: 'POST', agent, headers }
      const asked = request(`${url}/v1/hubs/${hub}/commands`, options, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode, text }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
}
