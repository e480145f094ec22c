/** How long an instance may go on with what it has, in milliseconds; then it asks the table first. */
export const FRESHNESS = { freshMs: 60_000, backgroundMs: 60_000, pauseMs: 5000 }
/** New versions that one sync reads at most. */
export const SYNC_BATCH = 900
