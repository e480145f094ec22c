/** References in whatever an application has, such as its configuration: found, and replaced in a copy of it. */
import { REFERENCE } from '../core/reference.ts'

const isReference = (value: unknown): value is string =>
  typeof value === 'string' && value.startsWith(REFERENCE) && value.endsWith('}')

/** Lists and plain objects, of whatever realm; what else there is, such as a date, stays as it is. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Each once. */
export function referencesIn(value: unknown): readonly string[] {
  const found = new Set<string>()
  const seen = new Set<object>()
  const look = (one: unknown): void => {
    if (isReference(one)) found.add(one)
    if (!isPlain(one) || seen.has(one)) return
    seen.add(one)
    Object.values(one).forEach(look)
  }
  look(value)
  return [...found]
}

/** What is there twice, or is part of itself, is so in the copy. */
export function replaced(value: unknown, by: ReadonlyMap<string, string>, made = new Map<object, unknown>()): unknown {
  if (isReference(value)) return by.get(value)
  if (!isPlain(value)) return value
  if (made.has(value)) return made.get(value)
  const copy: object = Array.isArray(value) ? [] : {}
  made.set(value, copy)
  for (const [name, each] of Object.entries(value))
    // An assignment to `__proto__` would be none.
    Object.defineProperty(copy, name, {
      value: replaced(each, by, made),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  if (Array.isArray(value)) Object.assign(copy, { length: value.length })
  return copy
}
