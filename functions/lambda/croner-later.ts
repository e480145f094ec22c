/** It stands in place of croner in these bundles (tools/build-lambda.ts), so that only a function with a cron expression loads that. */
import type { Cron as Whole } from 'croner'

const isNeeded = /\S\s+\S/.test(process.env['KEYRING_ROTATION'] ?? '')

export const Cron: typeof Whole | null = isNeeded ? (await import('croner')).Cron : null
