/** How a reference to a secret begins, for whoever has to tell one from a text and need not read it (`references/grammar.ts`). */
export const REFERENCE = '{vault://'

/** Whether somebody means one: it may still be wrong. */
export const meansReference = (text: string): boolean => text.includes(REFERENCE)
