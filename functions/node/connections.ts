/** The connections of the HTTP server: what is open on each, in the order of the requests, and how they end. */
import type { Server, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import type { Socket } from 'node:net'

/** For so long at the end connections on which nothing is open stay, in milliseconds: a request that is on its way is answered, with "close". */
const GRACE_MS = 300

/** Of what is no HTTP nothing is said but the status; each is the last that its connection hears. */
const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}
const OTHERWISE = '400 Bad Request'

type Answer = ServerResponse

export class Connections {
  readonly #server: Server
  readonly #open = new Map<Socket, Set<Answer>>()
  /** Nothing more is carried out on them: a client would hear nothing of it. */
  readonly #ended = new WeakSet<Socket>()
  #isClosing = false
  #isOver = false

  /** Its listeners have to hear of a request before those who answer it. */
  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#open.set(socket, new Set())
      socket.once('close', () => this.#open.delete(socket))
    })
    server.prependListener('request', (_incoming, response) => this.#began(response))
    server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#refuse(socket as Socket, REFUSALS[error.code ?? ''] ?? OTHERWISE),
    )
    server.on('connect', (_incoming, socket) => this.#refuse(socket as Socket, OTHERWISE))
  }

  hasEnded(socket: Socket): boolean {
    return this.#ended.has(socket)
  }

  /** The answer that is open now is the connection's last. */
  end(socket: Socket): void {
    this.#ended.add(socket)
  }

  /** Accepts nothing more, and closes each connection behind its last answer. Over when all are closed. */
  close(): Promise<void> {
    this.#isClosing = true
    for (const answers of this.#open.values()) markLast(answers)
    setTimeout(() => {
      this.#isOver = true
      for (const [socket, answers] of this.#open) if (answers.size === 0) socket.destroySoon()
    }, GRACE_MS)
    // HTTP's own would cut off those whose answer is still being read.
    return new Promise((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()))
  }

  #began(answer: Answer): void {
    const { socket } = answer.req
    const answers = this.#open.get(socket)
    if (answers === undefined) return
    if (this.#isClosing && [...answers].some(isLast)) this.#ended.add(socket)
    answers.add(answer)
    answer.once('close', () => {
      answers.delete(answer)
      if (this.#isOver && answers.size === 0) socket.destroySoon()
    })
    if (this.#isClosing && !this.#ended.has(socket)) markLast(answers)
  }

  /** What was asked before is answered first. */
  #refuse(socket: Socket, status: string): void {
    if (this.#ended.has(socket)) return
    this.#ended.add(socket)
    const answers = this.#open.get(socket) ?? new Set()
    const refuse = () => {
      if (socket.writable && ![...answers].some(({ headersSent }) => headersSent))
        socket.write(`HTTP/1.1 ${status}\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      socket.destroySoon()
    }
    const before = [...answers].findLast(({ req }) => req.complete)
    if (before === undefined) refuse()
    else before.once('close', refuse)
  }
}

const isLast = (answer: Answer): boolean => answer.headersSent && answer.getHeader('connection') === 'close'

/** Of those that wait for each other on one connection the last alone may say that it closes. */
function markLast(answers: ReadonlySet<Answer>): void {
  for (const answer of answers)
    if (!answer.headersSent && answer.hasHeader('connection')) answer.removeHeader('connection')
  const last = [...answers].at(-1)
  if (last?.headersSent === false) last.setHeader('connection', 'close')
}
