/** The ids of requests that bring none: they tell those of all processes apart, and need not be hard to guess. */

/** What ids of this process begin with, drawn at the first request, because a Worker may draw nothing before; and how many there were. */
const ids = { prefix: '', count: 0 }
/** Of a UUID, whose last 12 digits are the count. */
const PREFIX_LENGTH = 24

export function nextId(): string {
  ids.prefix ||= crypto.randomUUID().slice(0, PREFIX_LENGTH)
  return ids.prefix + (ids.count += 1).toString(16).padStart(12, '0')
}
