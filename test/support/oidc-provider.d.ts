/** The library has no types of its own; these are what the tests use of it. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Context {
    readonly path: string
    readonly oidc?: { readonly body?: Readonly<Record<string, string>> }
    get(header: string): string
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): void
    callback(): (request: IncomingMessage, response: ServerResponse) => void
  }

  export const errors: { readonly InvalidTarget: new () => Error }
}
