/** The settings of the library among the variables of a function: the tables, and the way to them. */
import type { Given, SettingsReading } from '../../src/library/settings.ts'
import { Wrong } from '../../src/library/settings.ts'
import type { Aws } from './aws.ts'
import { awsProblems, signedAws } from './aws.ts'
import { MOST_MS } from './invocation.ts'

interface Reached {
  readonly aws: Aws
  readonly leftMs: () => number
}

const textsIn = (env: Given) =>
  Object.fromEntries(Object.entries(env).flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])))

/** @param isNeeded what is missing is a problem of the settings. */
export function reached(reading: SettingsReading, env: Given, isNeeded: boolean): Reached {
  const texts = textsIn(env)
  if (isNeeded) for (const { name, message } of awsProblems(texts)) reading.wrong(name, message)
  return { aws: signedAws(texts), leftMs: () => MOST_MS }
}

/** '' = it is not set. */
export const tableIn = (reading: SettingsReading, name: string): string =>
  reading.value(name, named(/^[A-Za-z0-9_.-]{3,255}$/, 'a DynamoDB table'), '')

export const named =
  (form: RegExp, what: string) =>
  (text: string): string | Wrong =>
    form.test(text) ? text : new Wrong(`must be the name of ${what}`)
