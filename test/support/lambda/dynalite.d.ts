declare module 'dynalite' {
  import type { Server } from 'node:http'
  /** DynamoDB in memory. `createTableMs` = how long a new table stays in CREATING. */
  export default function dynalite(options: { readonly createTableMs: number }): Server
}
