/** The settings of the library among the bindings of a Worker. */
import type { UsingConfig } from '../../src/library/settings.ts'
import { SettingsReading, usingConfig } from '../../src/library/settings.ts'

const WRAPPING_KEYS = 'KEYRING_WRAPPING_KEYS'

/** What is wrong is known when the reading ends. */
export async function readGiven(
  env: object,
): Promise<{ readonly reading: SettingsReading; readonly config: UsingConfig }> {
  const given = await settingsIn(env as Readonly<Record<string, unknown>>)
  const reading = new SettingsReading(given)
  const config = usingConfig(reading)
  const why = 'those of the Worker that syncs, or what was derived from them for what is used here'
  if (given[WRAPPING_KEYS] === null)
    reading.wrong(WRAPPING_KEYS, 'is bound to a secret that the Secrets Store does not give')
  else reading.needs(WRAPPING_KEYS, why)
  return { reading, config }
}

/** The wrapping keys may be bound from a Secrets Store, and are `null` where it gives none: what it throws may quote anything. */
async function settingsIn(given: Readonly<Record<string, unknown>>): Promise<typeof given> {
  const bound = given[WRAPPING_KEYS] as { get?(): Promise<string> } | undefined
  return typeof bound?.get === 'function' ? { ...given, [WRAPPING_KEYS]: await bound.get().catch(() => null) } : given
}
