/** How long an instance may go on with what it has, in milliseconds; then it asks the table first. */
export const FRESHNESS = { freshMs: 60_000, backgroundMs: 60_000, pauseMs: 5000 }
/** A snapshot may be as old as this, and the request that used it takes its time. */
export const ENCRYPT_BOUND_MS = 90_000
/** New versions that one sync reads at most. */
export const SYNC_BATCH = 900
