/** The settings where whatever they name is read at once. */
import { settingsBy } from './settings-by.ts'
import { readTls } from './tls-files.ts'

type Rest<A> = A extends readonly [unknown, ...infer R] ? R : never

/** As `settingsBy`. */
export const readSettings = (...how: Rest<Parameters<typeof settingsBy>>) => settingsBy(readTls, ...how)
