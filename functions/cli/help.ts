/** `edge-keyring help`: what a command takes, for people and for machines. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import type { Outcome } from './command.ts'

export function helpOn(command: CommandUnknownOpts): Outcome {
  const help = command.createHelp()
  const usage = help.commandUsage(command)
  const commands = help.visibleCommands(command).map((each) => ({
    name: each.name(),
    description: each.description(),
  }))
  const words = help.visibleArguments(command).map((word) => ({
    word: help.argumentTerm(word),
    description: help.argumentDescription(word),
  }))
  const flags = help.visibleOptions(command).map((flag) => ({
    flag: help.optionTerm(flag),
    description: help.optionDescription(flag),
  }))
  const document = { usage, description: command.description(), commands, words, flags }
  return { document, screen: command.helpInformation() }
}
