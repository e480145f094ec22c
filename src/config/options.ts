/** Reads a table of options in whatever spelling: each value by its own schema, every problem by the name that was written. */
import * as z from 'zod/mini'
import type { Option } from './login-options.ts'
import type { Given, Problem } from './names.ts'
import { differing } from './names.ts'

export interface Spelling {
  /** The name to write. */
  readonly nameOf: (option: string) => string
  /** What is written under all names of the option; own names only, unless there are none. */
  readonly given: (option: string) => readonly Given[]
  /** False = environment, where names of others may be read too. */
  readonly isEntity: boolean
}

/** What has no default may be absent. */
export type Values<Table extends Record<string, Option>> = {
  readonly [Name in keyof Table]:
    | z.output<Table[Name]['schema']>
    | (Table[Name] extends { default: string } ? never : undefined)
}

export interface ReadOptions<Table extends Record<string, Option>> {
  /** Right where there are no problems. */
  readonly values: Values<Table>
  readonly problems: readonly Problem[]
}

export function readOptions<Table extends Record<string, Option>>(
  table: Table,
  spelling: Spelling,
): ReadOptions<Table> {
  const problems: Problem[] = []
  const read = ([option, { schema, default: text }]: readonly [string, Option]) => {
    const given = spelling.given(option)
    problems.push(...differing(given))
    const [first = text === undefined ? undefined : { name: option, text }] = given
    if (first === undefined) return [option, undefined] as const
    const parsed = z.safeParse(schema, first.text)
    if (!parsed.success) problems.push({ name: first.name, message: parsed.error.issues[0]?.message ?? 'is wrong' })
    return [option, parsed.data] as const
  }
  return { values: Object.fromEntries(Object.entries(table).map(read)) as Values<Table>, problems }
}
