/** An HTTP proxy on this machine that makes a server behind it look like one on a bad day: by rule, or by chance from a seed. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'

export type Fault =
  /** This answer, without asking the server; an error of S3 where `code` is given. */
  | { readonly kind: 'answer'; readonly status: number; readonly code?: string; readonly body?: string }
  /** The connection ends before the server has seen the request. */
  | { readonly kind: 'cut-before' }
  /** The server does it, and its answer is lost. */
  | { readonly kind: 'cut-after' }
  /** The server does it, and says something else in place of its answer. */
  | { readonly kind: 'answer-after'; readonly status: number; readonly code?: string }
  /** Half of the answer's body, then the connection ends. */
  | { readonly kind: 'half' }
  /** No answer, ever; the server has not seen it. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'throttle'; readonly bytes_per_second: number }

export type ProxiedRequest = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** From 1, over all requests. */
  readonly number: number
}

/** What is to go wrong with a request; undefined lets it pass. */
export type Rule = (request: ProxiedRequest) => Fault | undefined

export type FaultProxy = {
  /** `http://127.0.0.1:<port>`. */
  readonly endpoint: string
  /** Replaces the rule. */
  rule: Rule
  /** Every request so far. */
  readonly seen: readonly ProxiedRequest[]
  [Symbol.asyncDispose](): Promise<void>
}

type Answer = { readonly status: number; readonly headers: readonly string[]; readonly body: Buffer }

const TICK_MS = 20

/** A proxy before `http://127.0.0.1:<port>` that lets everything pass until it is given a rule. */
export async function startFaultProxy(target: { readonly port: number }): Promise<FaultProxy> {
  const seen: ProxiedRequest[] = []
  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy()) // the server is away: so is the proxy
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await wholeOf(request)
    const { method = '', url = '', headers } = request
    const one = { method, path: url, headers, number: seen.length + 1 }
    seen.push(one)
    const fault = proxy.rule(one)
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'cut-before') {
      request.socket.destroy()
      return
    }
    if (fault?.kind === 'answer') {
      give(response, made(fault))
      return
    }
    if (fault?.kind === 'delay') await after(fault.ms)
    const answer = await forward(target.port, request, body)
    if (fault?.kind === 'cut-after') request.socket.destroy()
    else if (fault?.kind === 'answer-after') give(response, made(fault))
    else if (fault?.kind === 'half') await part(response, answer)
    else if (fault?.kind === 'throttle') await slowly(response, answer, fault.bytes_per_second)
    else give(response, answer)
  }

  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    rule: () => undefined,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

/** Each fault with its own chance, by `float`, uniform in [0, 1). */
export function byChance(float: () => number, chances: readonly (readonly [number, Fault])[]): Rule {
  return () => {
    let at = float()
    for (const [chance, fault] of chances) {
      if (at < chance) return fault
      at -= chance
    }
    return undefined
  }
}

/** The faults one after the other for requests that match, and nothing more after them. */
export function inOrder(matches: (request: ProxiedRequest) => boolean, faults: readonly (Fault | undefined)[]): Rule {
  let next = 0
  return (request) => (matches(request) ? faults[next++] : undefined)
}

function made({ status, code, body }: { status: number; code?: string; body?: string }): Answer {
  const error = code ? `<Error><Code>${code}</Code><Message>said by the fault proxy</Message></Error>` : ''
  const text = Buffer.from(body ?? error)
  return { status, headers: ['content-type', 'application/xml', 'content-length', String(text.length)], body: text }
}

function forward(port: number, { method, url, rawHeaders }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = pairs(rawHeaders).filter(([name]) => !/^(expect|connection)$/i.test(name))
    const asked = httpRequest(
      { host: '127.0.0.1', port, method, path: url, headers: headers.flat(), setDefaultHeaders: false },
      (answer) => {
        wholeOf(answer).then((whole) => {
          const given = pairs(answer.rawHeaders).filter(([name]) => !/^(connection|transfer-encoding)$/i.test(name))
          resolve({ status: answer.statusCode ?? 502, headers: given.flat(), body: whole })
        }, reject)
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

function give(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, [...headers]).end(body)
}

async function part(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, [...headers])
  response.flushHeaders()
  await new Promise((resolve) => response.write(body.subarray(0, body.length / 2), resolve))
  response.socket?.destroy()
}

async function slowly(response: ServerResponse, { status, headers, body }: Answer, bytes_per_second: number) {
  response.writeHead(status, [...headers])
  const step = Math.max(1, Math.floor((bytes_per_second * TICK_MS) / 1000))
  for (let at = 0; at < body.length; at += step) {
    response.write(body.subarray(at, at + step))
    await after(TICK_MS)
  }
  response.end()
}

async function wholeOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''])
}
