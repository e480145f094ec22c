/** What `edge-keyring/worker` exports: the module of a Worker, its Durable Object, and its entrypoint for service bindings. */

declare const worker: {
  fetch(request: Request): Response | Promise<Response>
  scheduled(): Promise<void>
}
export default worker

/** For the binding `KEYRING_OBJECT` and its migration: only the Worker beside it calls it. */
export declare class KeyringObject {
  call(message: unknown): Promise<unknown>
}

type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | {
      readonly ok: false
      readonly error: { readonly code: string; readonly message: string; readonly remedy: string }
    }
type Data = string | Uint8Array
interface Plain {
  readonly plaintext: Data
  readonly context?: Data
}
interface Sealed {
  readonly ciphertext: string
  readonly context?: Data
}
interface Encrypted {
  readonly ciphertext: string
  readonly keyId: string
}
interface Decrypted {
  readonly plaintext: Uint8Array
  readonly keyId: string
}
/** The keyring `default` unless named. */
interface Named {
  readonly keyring?: string
}
type Many<Value> = Named & { readonly items: readonly Value[] }

/** For a service binding with `props` (docs/cloudflare.md, "Other Workers of the account"). */
export declare class KeyringService {
  encrypt(asked: Plain & Named): Promise<Answer<Encrypted>>
  decrypt(asked: Sealed & Named): Promise<Answer<Decrypted>>
  rewrap(asked: Sealed & Named): Promise<Answer<Encrypted>>
  encryptBatch(asked: Many<Plain>): Promise<Answer<readonly Answer<Encrypted>[]>>
  decryptBatch(asked: Many<Sealed>): Promise<Answer<readonly Answer<Decrypted>[]>>
  rewrapBatch(asked: Many<Sealed>): Promise<Answer<readonly Answer<Encrypted>[]>>
  resolve(asked: {
    readonly references: readonly string[]
    readonly refresh?: boolean
  }): Promise<Answer<readonly Answer<{ readonly value: string }>[]>>
}
