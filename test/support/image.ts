/** A Dockerfile as far as it can be read without Docker. */

type Instruction = readonly [name: string, rest: string]
export type Stage = readonly Instruction[]

export function stagesOf(dockerfile: string): readonly Stage[] {
  const stages: Instruction[][] = []
  for (const [, name = '', rest = ''] of dockerfile.matchAll(/^([A-Z]+) (.*)$/gm)) {
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push([name, rest])
  }
  return stages
}

export const allOf = (stage: Stage, name: string): string[] =>
  stage.flatMap(([each, rest]) => (each === name ? [rest] : []))

/** @throws when the stage has none, or several. */
export function oneOf(stage: Stage, name: string): string {
  const [rest, ...others] = allOf(stage, name)
  if (rest === undefined || others.length > 0) throw new Error(`There is not one ${name}.`)
  return rest
}

/** What ENV sets. */
export const variablesOf = (stage: Stage): Record<string, string> =>
  Object.fromEntries(
    oneOf(stage, 'ENV')
      .split(' ')
      .map((pair) => pair.split('=') as [string, string]),
  )

/** The words of the exec form. A shell would stand between the server and its signals. */
export const wordsOf = (rest: string): [string, ...string[]] =>
  JSON.parse(rest.slice(rest.indexOf('['))) as [string, ...string[]]
