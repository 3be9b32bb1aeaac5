import { createServer, type IncomingHttpHeaders } from 'node:http'

export type Caught = { readonly headers: IncomingHttpHeaders; readonly body: string }

/** A server on this machine that keeps what is posted to it. */
export type Catcher = {
  readonly url: string
  readonly caught: readonly Caught[]
  /** The next answers, one after the other: a status, or `never`. 200 after that. */
  answer(...next: readonly (number | 'never')[]): void
  /** Each of them says to come again after so many seconds. */
  retryAfter(seconds: number): void
  [Symbol.asyncDispose](): Promise<void>
}

export async function openCatcher(): Promise<Catcher> {
  const caught: Caught[] = []
  let answers: (number | 'never')[] = []
  let headers = {}
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => {
      body += part.toString()
    })
    request.on('end', () => {
      caught.push({ headers: request.headers, body })
      const status = answers.shift() ?? 200
      if (status !== 'never') response.writeHead(status, headers).end('said')
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/hook`,
    caught,
    answer: (...next) => {
      answers = [...next]
    },
    retryAfter: (seconds) => {
      headers = { 'retry-after': String(seconds) }
    },
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.closeAllConnections()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}
