/** The words that were typed: what commander finds wrong with them, in our sentences, and flags that cannot lose their value. */
import { Option } from '@commander-js/extra-typings'
import { failed } from './failure.ts'
import type { Failure } from './failure.ts'

/**
 * A flag with a value. A shell leaves nothing, or an empty word, where a variable is not set; a command that went on without the value
 * would do something else than was meant. To commander the value is optional, though the help shows it as required: one that is required it
 * takes from the next flag.
 */
export function valued<const Name extends string>(name: Name, value: string, description: string) {
  let isGiven = false
  return new Option(`--${name} [${value}]`, description).preset('').argParser((given: string) => {
    if (given === '') throw failed('ERR_USAGE', `The flag --${name} has no value. Is a variable not set?`)
    if (isGiven) throw failed('ERR_USAGE', `The flag --${name} is there twice.`)
    isGiven = true
    return given
  })
}

/** @throws `ERR_USAGE` for what a quoted variable that is not set leaves. */
export function refuseEmpty(words: readonly string[]): void {
  if (words.includes('')) throw failed('ERR_USAGE', 'A word is empty. Is a variable not set?')
}

/** @param code, message of a `CommanderError`. */
export function usageFailure(message: string, code: string): Failure {
  const name = nameIn(message)
  const nearest = /\(Did you mean (.+)\?\)/.exec(message)?.[1]
  const sentence = SENTENCES[code]?.(name) ?? 'These words are not understood.'
  return failed('ERR_USAGE', nearest === undefined ? sentence : `${sentence} Did you mean ${nearest}?`)
}

const SENTENCES: Readonly<Record<string, (name: string | undefined) => string>> = {
  'commander.unknownOption': (name) =>
    name === undefined
      ? 'There is a flag that is not known. Behind -- nothing is a flag.'
      : `There is no flag ${name} here.`,
  'commander.unknownCommand': (name) =>
    name === undefined ? 'There is no such command.' : `There is no command ${name}.`,
  'commander.excessArguments': () => 'There are more words than this command takes.',
  'commander.missingArgument': (name) => `The word <${name}> is missing.`,
  'commander.help': () => 'The name of a command is missing.',
  'commander.invalidArgument': () => 'The word is none of those that this command takes.',
}

/** Commander quotes what was typed, and that may be a plaintext or a key: only what looks like a name is told. */
const nameIn = (message: string): string | undefined => /'(-{0,2}[a-z][a-z-]{0,20})(?=['=])/.exec(message)?.[1]
