/** A process of an application: resolves the references that it is given by `edge-keyring/references/node`, and prints values, or codes. */
import { KeyringError, openReferences } from '../../../functions/node/resolving.ts'

await using references = await openReferences()
for (const reference of process.argv.slice(2)) {
  const value = await references.resolve(reference).catch((error: unknown) => {
    if (error instanceof KeyringError) return error.code
    throw error
  })
  console.log(value)
}
