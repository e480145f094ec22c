/** The files of a user's own repository, which deploys the package: made of what this one deploys, so that they cannot come to say something else. */

export const KINDS = ['cloudflare', 'lambda', 'container'] as const
export type Kind = (typeof KINDS)[number]

/** What they are made of, from the root of this repository and of the package. */
export const ORIGINALS = { cloudflare: 'wrangler.toml', lambda: 'serverless.yml', container: 'Dockerfile' } as const

/** What deploys it, in the version that this repository is tested with. */
export const TOOLS: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  cloudflare: { wrangler: '4.155.0' },
  lambda: { osls: '4.3.1' },
  container: {},
}

/** Secrets, and what is made again. */
const IGNORED = ['node_modules/', '*.env', '.env*', '.dev.vars*', '.wrangler/', '.serverless/', '.edge-keyring/']

/** @param original of this kind, its text. @param version of the package. @returns texts by their paths. */
export function filesOf(kind: Kind, original: string, version: string): ReadonlyMap<string, string> {
  return new Map([
    ['package.json', manifest(TOOLS[kind], version)],
    ['.gitignore', lines(IGNORED)],
    ...MADE[kind](original),
  ])
}

function manifest(tools: Readonly<Record<string, string>>, version: string): string {
  const { length } = Object.keys(tools)
  const made = {
    private: true,
    type: 'module',
    engines: { node: '>=24.11' },
    dependencies: { 'edge-keyring': version },
    ...(length > 0 && { devDependencies: tools }),
  }
  return `${JSON.stringify(made, null, 2)}\n`
}

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`

type Files = readonly (readonly [path: string, text: string])[]

const MADE: Readonly<Record<Kind, (original: string) => Files>> = {
  cloudflare: (original) => [
    ['wrangler.toml', altered(original, OF_WRANGLER)],
    ['src/worker.js', "export { default, KeyringObject, KeyringService } from 'edge-keyring/worker'\n"],
  ],
  lambda: (original) => [['serverless.yml', altered(original, OF_OSLS)]],
  container: (original) => [
    ['Dockerfile', altered(original, OF_DOCKER)],
    ['.dockerignore', lines(['*', '!package.json', '!package-lock.json'])],
  ],
}

type Changes = readonly (readonly [from: RegExp, to: string])[]

/** @throws when the original has not what is to be changed: the file would deploy something else. */
function altered(original: string, changes: Changes): string {
  return changes.reduce((text, [from, to]) => {
    if (text.search(from) < 0) throw new Error(`There is nothing to change by ${from.source}.`)
    return text.replaceAll(from, to)
  }, original)
}

const OF_WRANGLER: Changes = [
  [
    /^# docs\/cloudflare\.md.*\n/g,
    '# The pages are in the repository of edge-keyring: docs/cloudflare.md, docs/settings.md.\n',
  ],
  [/^main = .*$/gm, 'main = "src/worker.js"'],
  // Its second environment repeats the first.
  [/\n# Bindings, variables and triggers are not inherited[^]*$/g, ''],
]

const OF_OSLS: Changes = [
  [/^(# Three functions.*\n)# Packaged by .*\n/g, '# The pages are in the repository of edge-keyring.\n$1'],
  [/\bdist\/lambda\//g, 'node_modules/edge-keyring/entries/handlers/'],
]

const OF_DOCKER: Changes = [
  [
    /^# The server of [^]*?\n(FROM .* AS build\n)[^]*?\n\n(?=FROM )/g,
    lines([
      '# The server of the package edge-keyring. The page is in its repository: docs/node.md, "A container".',
      '$1WORKDIR /app',
      'COPY package.json package-lock.json ./',
      'RUN npm ci --ignore-scripts --omit=dev',
      '',
    ]),
  ],
  [/^COPY --from=build .*$/gm, 'COPY --from=build /app/node_modules/edge-keyring ./'],
]
