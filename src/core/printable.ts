/** Texts from elsewhere on their way to a person: nothing that a terminal would obey, and no longer than wanted. */

/** Controls (of both halves of Latin-1), marks that turn or hide what stands beside them, half characters, ends of lines. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** A sentence, with room. */
const MOST = 1000

/** What would be obeyed is left out. @param most UTF-16 units; an ellipsis says that there was more. */
export function printable(text: string, most = MOST): string {
  const shown = text.slice(0, most).replace(OBEYED, '')
  return text.length > most ? `${shown}…` : shown
}

/** @param most how many are shown, each of at most 128 units; '' = none. */
export function printableList(texts: readonly string[], most = 20): string {
  const shown = texts.slice(0, most).map((text) => printable(text, 128))
  const more = texts.length - shown.length
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ')
}

/** JSON of the same value: it escapes more than it must. */
export const printableJson = (value: object): string =>
  JSON.stringify(value).replace(OBEYED, (character) =>
    Array.from({ length: character.length }, (_, index) => escaped(character.charCodeAt(index))).join(''),
  )

/** An address without its scheme: host, port and base path. */
export const placeOf = (address: string): string => address.slice(address.indexOf('//') + 2)

const escaped = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`
