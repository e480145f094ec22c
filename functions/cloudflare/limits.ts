/** How long an isolate may go on with what it has, in milliseconds. */
export const FRESHNESS = { freshMs: 60_000, pauseMs: 5000 }
/** A snapshot may be as old as this, and the request that used it takes its time. */
export const ENCRYPT_BOUND_MS = 120_000
/** New versions that one sync reads at most: with the metadata, below the 50 subrequests of a free plan. */
export const SYNC_BATCH = 40
