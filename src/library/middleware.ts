/** Values of references for each request, in the shapes of Hono's and of middy's middleware, neither of which it needs. */
import type { References, TryOptions } from './references.ts'

type Named = Readonly<Record<string, string>>

/** What is used of Hono's context. */
interface HonoContext {
  set(name: 'secrets', values: Readonly<Record<string, string>>): void
  readonly error: unknown
}

/**
 * `c.get('secrets')` has the values by name. When the handler fails because they were refused, the next request has fresh ones.
 * @param named references by name.
 */
export const honoSecrets =
  (references: References, named: Named, { refused = () => true }: TryOptions = {}) =>
  async (context: HonoContext, next: () => Promise<void>): Promise<void> => {
    context.set('secrets', await references.named(named))
    await next()
    if (context.error && refused(context.error)) await refreshed(references, named)
  }

/** What is used of middy's request. */
interface LambdaRequest {
  readonly context: object
  readonly error?: unknown
}

/** The same on Lambda: `context.secrets` has the values. */
export const lambdaSecrets = (references: References, named: Named, { refused = () => true }: TryOptions = {}) => ({
  before: async ({ context }: LambdaRequest): Promise<void> => {
    Object.assign(context, { secrets: await references.named(named) })
  },

  /** Instances may be kept for the next invocation: no value stays in what is handed on. */
  after: async ({ context }: LambdaRequest): Promise<void> => {
    Reflect.deleteProperty(context, 'secrets')
  },

  onError: async ({ context, error }: LambdaRequest): Promise<void> => {
    Reflect.deleteProperty(context, 'secrets')
    if (refused(error)) await refreshed(references, named)
  },
})

/** The error of the handler is what counts. */
const refreshed = async (references: References, named: Named): Promise<void> =>
  void (await references.refresh(named).catch(() => {}))
