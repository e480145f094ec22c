/** Settings that are read without zod, because Lambda's HTTP function carries none. */

import { parseJson } from '../core/body.ts'

/** Says what is wrong; `path` = list positions and field names, never what the operator wrote. */
export type Say = (message: string, ...path: readonly (string | number)[]) => void

/** When something was said, the answer counts for nothing. */
export type Read<T> = (text: string, say: Say) => T

export const ON_OFF = /^(?:on|off|true|false)$/i
export const isOn = (text: string): boolean => /^(?:on|true)$/i.test(text)
export const TABLE_NAME = /^[A-Za-z0-9_.-]{3,255}$/
export const FUNCTION_NAME = /^[A-Za-z0-9_:-]{1,170}$/

export const isWholeNumber = (text: string, least: number, most: number): boolean =>
  /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most

/** `null` = no JSON list; `message` was said. */
export function jsonList(text: string, say: Say, message: string): readonly unknown[] | null {
  const value = parseJson(text)
  if (Array.isArray(value)) return value
  say(message)
  return null
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const isDistinct = (values: readonly string[]): boolean => new Set(values).size === values.length

/** What was said, as one sentence. */
export const sentence = (message: string, path: readonly (string | number)[]): string =>
  path.length === 0
    ? message
    : `${path.map((step) => (typeof step === 'number' ? `entry ${step + 1}` : step)).join(', ')}: ${message}`

export const KEYRINGS_FORM = 'must be a JSON list of {"name", "kv", "mount", "path"}'
export const KEYRINGS_NAME = 'must be 1 to 64 letters, digits, "_" or "-", a letter or digit first, and not "default"'
