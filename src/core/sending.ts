/**
 * A request that can be stopped, and that is held by whoever can stop it. Node's Request reaches its own signal by a weak
 * reference: without a holder, the garbage collector under way takes the deadline with it.
 */
export class Sending {
  readonly request: Request
  readonly #abort = new AbortController()

  /** Redirects are answers. */
  constructor(url: URL | string, init: RequestInit) {
    this.request = new Request(url, { ...init, redirect: 'manual', signal: this.#abort.signal })
  }

  get isStopped(): boolean {
    return this.#abort.signal.aborted
  }

  stop(): void {
    this.#abort.abort()
  }
}
