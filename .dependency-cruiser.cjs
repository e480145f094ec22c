/** The layers of docs/architecture.md, as data. test/architecture plants a violation of every rule. */
const LAYERS = {
  core: [],
  config: ['core', 'references'],
  crypto: ['core'],
  references: ['core'],
  secrets: ['core', 'crypto', 'references'],
  vault: ['core', 'crypto'],
  auth: ['core', 'crypto'],
  keyring: ['core', 'crypto'],
  fields: ['core'],
  library: ['core', 'crypto', 'fields', 'keyring', 'references', 'secrets'],
  http: ['core', 'auth', 'keyring', 'secrets'],
}
/** The rooms of src/vault: which may import which. open.ts and reader.ts stand above wire, token and login. */
const ROOMS = {
  wire: [],
  login: ['wire'],
  token: ['wire', 'login'],
  kv: ['wire', 'reader\\.ts'],
  doctor: ['wire', 'login', 'token', 'reader\\.ts'],
}
/** Which library may be imported where in src. */
const LIBRARIES = {
  hono: '(http/|app\\.ts)',
  zod: '((config|http|vault)/|keyring/message-schema\\.ts)',
  leven: 'config/',
  croner: 'core/cadence\\.ts',
  aws4fetch: 'vault/login/',
}
/** Which platform folder may import which other. */
const PLATFORMS = {
  cloudflare: [],
  node: ['node-shared', 'dev-vault'],
  lambda: ['node-shared'],
  'node-shared': [],
  cli: ['node', 'node-shared'],
  'dev-vault': [],
}

const error = (name, from, to) => ({ name, severity: 'error', from, to })
const layers = Object.entries(LAYERS).map(([layer, below]) =>
  error(
    `layer-${layer}`,
    { path: `^src/${layer}/` },
    { path: '^src/', pathNot: `^src/(${[layer, ...below].join('|')})/` },
  ),
)
const rooms = Object.entries(ROOMS).map(([room, below]) =>
  error(
    `room-${room}`,
    { path: `^src/vault/${room}/` },
    {
      path: '^src/vault/',
      pathNot: `^src/vault/(${[room, ...below].map((each) => (each.includes('.') ? each : `${each}/`)).join('|')})`,
    },
  ),
)
const libraries = Object.entries(LIBRARIES).map(([library, place]) =>
  error(`library-${library}`, { path: '^src/', pathNot: `^src/${place}` }, { path: `node_modules/${library}/` }),
)
const platforms = Object.entries(PLATFORMS).map(([platform, others]) =>
  error(
    `platform-${platform}`,
    { path: `^functions/${platform}/` },
    { path: '^functions/', pathNot: `^functions/(${[platform, ...others].join('|')})/` },
  ),
)

module.exports = {
  forbidden: [
    ...layers,
    ...rooms,
    ...libraries,
    ...platforms,
    error('no-circular', {}, { circular: true }),
    error('src-is-platform-free', { path: '^src/' }, { dependencyTypes: ['core'] }),
    error('src-knows-no-deployment', { path: '^src/' }, { path: '^functions/' }),
    error(
      'src-has-few-libraries',
      { path: '^src/' },
      { path: 'node_modules', pathNot: `node_modules/(${Object.keys(LIBRARIES).join('|')})/` },
    ),
    error(
      'dev-vault-only-by-the-server',
      { path: '^functions/(?!dev-vault/)', pathNot: '^functions/node/server\\.ts$' },
      { path: '^functions/dev-vault/' },
    ),
    error(
      'dev-vault-only-lazily',
      { path: '^functions/node/' },
      { path: '^functions/dev-vault/', dependencyTypesNot: ['dynamic-import'] },
    ),
    error(
      'encrypt-path-without-vault',
      { path: '^src/keyring/keyring\\.ts$' },
      { path: '^src/(vault|config)/', reachable: true },
    ),
    error(
      'library-without-service',
      { path: '^src/library/' },
      { path: '^src/(vault|config|http|auth)/|node_modules/', reachable: true },
    ),
    error(
      'library-entries-alone',
      { path: '^functions/[a-z-]+/(library|resolving|testing)\\.ts$' },
      { path: '^src/(app|vaults|rare)\\.ts$|^src/(vault|config|http|auth)/' },
    ),
    error(
      'undici-only-lazily',
      { path: '^(src|functions)/' },
      { path: 'node_modules/undici/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    ),
    error(
      'undici-only-for-vault',
      { path: '^(src|functions)/', pathNot: '^functions/node-shared/connection\\.ts$' },
      { path: 'node_modules/undici/' },
    ),
    error(
      'aws-sdk-only-lazily',
      { path: '^functions/' },
      { path: 'node_modules/@aws-sdk/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    ),
    error('no-unresolved', {}, { couldNotResolve: true, pathNot: '^cloudflare:' }),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'functions/tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
}
