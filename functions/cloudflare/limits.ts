/** The limits of a deployment on Workers, each with its unit and its reason. */

/** How long an isolate may go on with what it has, in milliseconds. The bound within which a removal takes effect follows from it. */
export const FRESHNESS = { freshMs: 60_000, backgroundMs: 300_000, pauseMs: 5000 }
/** One sync reads so many new versions at most: with the metadata that is below the 50 subrequests of a free plan. */
export const SYNC_BATCH = 40
/** How long a request waits for the Durable Object to answer from its storage, in milliseconds. */
export const LOOK_MS = 5000
/** How long a request waits for Workers KV, in milliseconds. */
export const REPLICA_MS = 2000
/** How long a location may go on with what it has read of Workers KV, in seconds: the least that KV takes. */
export const REPLICA_CACHE_SECONDS = 30
