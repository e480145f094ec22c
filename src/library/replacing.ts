/** References in whatever an application has, such as its configuration: found, and replaced in a copy of it. */
import { REFERENCE } from '../core/reference.ts'

/** Lists and plain objects, of whatever realm; what else there is, such as a date, stays as it is. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A copy with what `by` gives for each reference. What is there twice, or is part of itself, is so in the copy. */
export function replaced(
  value: unknown,
  by: (reference: string) => unknown,
  made = new Map<object, unknown>(),
): unknown {
  if (typeof value === 'string') return value.startsWith(REFERENCE) && value.endsWith('}') ? by(value) : value
  if (!isPlain(value) || made.has(value)) return isPlain(value) ? made.get(value) : value
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
  made.set(value, copy)
  for (const name of Object.keys(copy)) copy[name] = replaced(copy[name], by, made)
  return copy
}
