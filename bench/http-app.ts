import { Agent, request } from 'node:http'

/** What a relay answered to one command by HTTP. */
export type HttpAnswer = { readonly status: number | undefined; readonly text: string }

/** An app that sends commands by HTTP, a request each, over so many connections that it keeps; a token after the other. */
export function httpApp(
  url: string,
  tokens: readonly string[],
  connections: number,
): (hub: string) => Promise<HttpAnswer> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const body = JSON.stringify({ device: 'lamp', set: { powered: true } })
  const headers = tokens.map((token) => ({
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': body.length,
  }))
  let number = 0
  return (hub) =>
    new Promise((resolve, reject) => {
      const options = { method: 'POST', agent, headers: headers[number++ % headers.length] ?? {} }
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
