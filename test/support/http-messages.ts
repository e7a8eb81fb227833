/** HTTP/1.1 messages as bytes on a socket: where one ends and the next begins, and nothing is changed on the way. */
import { once } from 'node:events'
import type { Socket } from 'node:net'

/** One message as it came. */
export interface WireMessage {
  /** `PUT /bucket/key HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly start_line: string
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Start line and headers as they came, with the blank line. */
  readonly head: Buffer
  /** The body as it came, chunk sizes included. */
  readonly body: Buffer
}

/** A request as it came. */
export interface WireRequest extends WireMessage {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
}

/** Reads messages from one socket, one after the other. */
export class MessageReader {
  private readonly socket: Socket
  /** Joined only when somebody looks at them: a large body comes in many pieces. */
  private pieces: Buffer[] = []
  private size = 0
  private is_over = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (piece: Buffer) => {
      this.pieces.push(piece)
      this.size += piece.length
    })
    const over = (): void => void (this.is_over = true)
    socket.once('end', over).once('close', over)
    // A reset is how some of our peers leave.
    socket.on('error', over)
  }

  /** The next request; null when the peer is gone. A body that is held back until we ask for it is asked for. */
  async request(): Promise<WireRequest | null> {
    const head = await this.head()
    if (head === null) return null
    if (head.headers.get('expect')?.toLowerCase() === '100-continue') {
      this.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    }
    const body = await this.body(head.headers, 'none')
    if (body === null) return null
    const [method = '', target = ''] = head.start_line.split(' ')
    return { ...head, body, method, target }
  }

  /** The answer to a request of `method`, interim ones left out; null when the peer goes before it is whole. */
  async response(method: string): Promise<WireMessage | null> {
    for (;;) {
      const head = await this.head()
      if (head === null) return null
      const status = statusOf(head)
      if (status < 200) continue
      const has_none = method === 'HEAD' || status === 204 || status === 304
      const body = has_none ? Buffer.alloc(0) : await this.body(head.headers, 'until_close')
      return body === null ? null : { ...head, body }
    }
  }

  private async head(): Promise<Omit<WireMessage, 'body'> | null> {
    const end = await this.indexOf('\r\n\r\n', 0)
    if (end < 0) return null
    const head = this.take(end + 4)
    const [start_line = '', ...lines] = head.toString('latin1', 0, end).split('\r\n')
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    return { start_line, headers, head }
  }

  private async body(
    headers: ReadonlyMap<string, string>,
    unframed: 'none' | 'until_close',
  ): Promise<Buffer | null> {
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return this.chunked()
    const length = headers.get('content-length')
    if (length !== undefined) return (await this.has(Number(length))) ? this.take(Number(length)) : null
    if (unframed === 'none') return Buffer.alloc(0)
    while (!this.is_over) await this.more()
    return this.take(this.size)
  }

  /** Up to the last chunk; trailers are not used by anybody here. */
  private async chunked(): Promise<Buffer | null> {
    let at = 0
    for (;;) {
      const line_end = await this.indexOf('\r\n', at)
      if (line_end < 0) return null
      const size = Number.parseInt(this.buffered().toString('latin1', at, line_end), 16)
      at = line_end + 2 + size + 2
      if (!(await this.has(at))) return null
      if (size === 0) return this.take(at)
    }
  }

  private async indexOf(text: string, from: number): Promise<number> {
    for (;;) {
      const at = this.buffered().indexOf(text, from, 'latin1')
      if (at >= 0 || this.is_over) return at
      await this.more()
    }
  }

  private async has(length: number): Promise<boolean> {
    while (this.size < length && !this.is_over) await this.more()
    return this.size >= length
  }

  private async more(): Promise<void> {
    const events = new AbortController()
    const { signal } = events
    const quietly = async (name: string): Promise<unknown> =>
      once(this.socket, name, { signal }).catch(() => null)
    await Promise.race([quietly('data'), quietly('end'), quietly('close')])
    events.abort()
  }

  private buffered(): Buffer {
    const [first = Buffer.alloc(0)] = this.pieces
    if (this.pieces.length < 2) return first
    const joined = Buffer.concat(this.pieces)
    this.pieces = [joined]
    return joined
  }

  private take(length: number): Buffer {
    const all = this.buffered()
    this.pieces = length === all.length ? [] : [all.subarray(length)]
    this.size = all.length - length
    return all.subarray(0, length)
  }
}

/** Status code of a response's start line. */
export function statusOf({ start_line }: Pick<WireMessage, 'start_line'>): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(start_line)?.[1])
}
