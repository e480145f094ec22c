/** How long an isolate may go on with what it has, in milliseconds: design of the product, and the bound on removal follows from it. */
export const FRESHNESS = { freshMs: 60_000, backgroundMs: 300_000, pauseMs: 5000 }
/** New versions that one sync reads at most: with the metadata, below the 50 subrequests of a free plan. */
export const SYNC_BATCH = 40
/** How long a request waits for the Durable Object to answer from its storage, in milliseconds. */
export const LOOK_MS = 5000
/** How long a request waits for Workers KV, in milliseconds. */
export const REPLICA_MS = 2000
/** How long a location may go on with what it has read of Workers KV, in seconds: the least that KV takes. */
export const REPLICA_CACHE_SECONDS = 30
