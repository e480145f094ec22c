/** The limits of a deployment on Lambda, each with its unit and its reason. */
import { DYNAMO_READERS_MS } from './dynamo-reader.ts'

/** How long an instance may go on with what it has, in milliseconds; then it asks the table first. */
export const FRESHNESS = { freshMs: DYNAMO_READERS_MS, backgroundMs: DYNAMO_READERS_MS, pauseMs: 5000 }
/** New versions that one sync reads at most. */
export const SYNC_BATCH = 900
