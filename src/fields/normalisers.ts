/**
 * What two spellings of one value have in common, by name: the name is bound into an index. They look at ASCII alone, because what a runtime
 * knows of other characters (case, forms) changes with its version of Unicode, and an index must be the same on each and for ever.
 */
const NORMALISERS = {
  /** As it is. */
  exact: (text: string) => text,
  /** Without white space at its ends, in lower case: addresses of e-mail, names of users. */
  lower: (text: string) =>
    text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  /** Letters and digits alone, in upper case: an IBAN, a number plate. */
  alnum: (text: string) => text.replace(/[^A-Za-z\d]/g, '').replace(/[a-z]/g, (letter) => letter.toUpperCase()),
  /** Digits alone: a number of a card, or of a telephone with its country. */
  digits: (text: string) => text.replace(/\D/g, ''),
} as const

export type Normaliser = keyof typeof NORMALISERS

export const isNormaliser = (name: string): name is Normaliser => Object.hasOwn(NORMALISERS, name)

export const normalised = (by: Normaliser, text: string): string => NORMALISERS[by](text)
