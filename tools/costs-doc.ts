/** Writes docs/costs.md from what the code does, a price list and assumptions, or with --check says whether it is up to date. */
import { readFileSync, writeFileSync } from 'node:fs'

/** What is counted of one keyring, checked by test/unit/costs.test.ts. */
export interface Counted {
  /** Of the store: a row of the object, an item of the table. */
  readonly reads: number
  readonly writes: number
  /** Of these the record itself. */
  readonly records: number
  /** Of Workers KV. */
  readonly copies: number
  readonly copied: number
  /** Calls of an instance to the authority; on Lambda each is a read that it makes itself. */
  readonly calls: number
  /** Requests to Vault. */
  readonly vault: number
}

const NOTHING: Counted = { reads: 0, writes: 0, records: 0, copies: 0, copied: 0, calls: 0, vault: 0 }

type Event = 'day' | 'look' | 'sync' | 'rotation' | 'refresh' | 'list'

/** With one key, a period of 600 s and a Vault token from the settings. */
export const COUNTED: Readonly<Record<'workers' | 'lambda', Readonly<Record<Event, Counted>>>> = {
  workers: {
    day: { ...NOTHING, reads: 5639, writes: 724, records: 1, copies: 3024, copied: 161, vault: 144 },
    look: { ...NOTHING, reads: 3, copies: 2 },
    sync: { ...NOTHING, reads: 3, writes: 1, vault: 1 },
    rotation: { ...NOTHING, reads: 11, writes: 5, records: 2, copied: 2, vault: 4 },
    refresh: { ...NOTHING, copies: 2 },
    list: { ...NOTHING, calls: 1, reads: 1 },
  },
  lambda: {
    day: { ...NOTHING, reads: 3747, writes: 434, records: 1, vault: 144 },
    look: { ...NOTHING, reads: 2 },
    sync: { ...NOTHING, reads: 3, writes: 1, vault: 1 },
    rotation: { ...NOTHING, reads: 11, writes: 5, records: 2, vault: 4 },
    refresh: { ...NOTHING, calls: 1, reads: 1 },
    list: { ...NOTHING, calls: 1, reads: 1 },
  },
}

interface Price {
  readonly what: string
  readonly usd: number
  /** Of what the price is. */
  readonly per: 1 | 1e6
  /** A month, for nothing; on Workers in the plan Paid. */
  readonly included: number
  /** A day in Cloudflare's plan Free; absent = it is not counted there. */
  readonly free?: number
}

/** A price that has changed is changed below, with this date. */
const SEEN = 'November 2026'
const PAID_PLAN = 5
export const PRICES = {
  cloudflare: {
    requests: { what: 'Worker: requests', usd: 0.3, per: 1e6, included: 10e6, free: 100_000 },
    cpuMs: { what: 'Worker: CPU, ms', usd: 0.02, per: 1e6, included: 30e6 },
    calls: { what: 'Durable Object: requests', usd: 0.15, per: 1e6, included: 1e6, free: 100_000 },
    gbSeconds: { what: 'Durable Object: GB-s', usd: 12.5, per: 1e6, included: 400_000, free: 13_000 },
    rowsRead: { what: 'SQLite: rows read', usd: 0.001, per: 1e6, included: 25e9, free: 5e6 },
    rowsWritten: { what: 'SQLite: rows written', usd: 1, per: 1e6, included: 50e6, free: 100_000 },
    kvReads: { what: 'Workers KV: reads', usd: 0.5, per: 1e6, included: 10e6, free: 100_000 },
    kvWrites: { what: 'Workers KV: writes', usd: 5, per: 1e6, included: 1e6, free: 1000 },
    logGb: { what: 'Workers Logs: GB', usd: 0.25, per: 1, included: 50, free: 0.5 },
    logGbMonths: { what: 'Workers Logs: GB-months', usd: 0.1, per: 1, included: 12 },
  },
  aws: {
    requests: { what: 'Lambda: requests', usd: 0.2, per: 1e6, included: 1e6 },
    arm: { what: 'Lambda: GB-s, arm64', usd: 0.0000133334, per: 1, included: 400_000 },
    x86: { what: 'Lambda: GB-s, x86_64', usd: 0.0000166667, per: 1, included: 400_000 },
    reads: { what: 'DynamoDB: read units', usd: 0.125, per: 1e6, included: 0 },
    writes: { what: 'DynamoDB: write units', usd: 0.625, per: 1e6, included: 0 },
    stored: { what: 'DynamoDB: GB-months, with recovery', usd: 0.45, per: 1, included: 0 },
    logGb: { what: 'CloudWatch Logs: GB', usd: 0.5, per: 1, included: 5 },
    logGbMonths: { what: 'CloudWatch Logs: GB-months', usd: 0.03, per: 1, included: 0 },
    secrets: { what: 'Secrets Manager: secrets', usd: 0.4, per: 1, included: 0 },
    outGb: { what: 'Out of AWS: GB', usd: 0.09, per: 1, included: 100 },
  },
} as const satisfies Readonly<Record<'cloudflare' | 'aws', Readonly<Record<string, Price>>>>

const MILLION = 1e6
const DAYS = 30
const LOOKS = 1440 * DAYS
const [MB, GB] = [1e6, 1e9]

/** What the code does not say. */
const ASSUMED = {
  workerCpuMs: 1,
  lookCpuMs: 5,
  /** In the table a row is found by an index, which is counted too. */
  rowsEach: 2,
  objectGb: 0.128,
  workersLogBytes: 2000,
  workersLogDays: 7,
  lambdaGb: 0.5,
  lambdaSeconds: 0.02,
  lookSeconds: 0.2,
  /** A record of ten keys, in units of a write. */
  recordUnits: 3,
  tableGb: 0.001,
  lambdaLogBytes: 750,
  lambdaLogDays: 90,
  answerBytes: 1000,
} as const

type Used<Names extends string> = Readonly<Record<Names, readonly [million: number, month: number]>>

const month = ({ day, rotation }: (typeof COUNTED)['workers'], of: keyof Counted): number =>
  day[of] * DAYS + rotation[of]

function onWorkers(): Used<keyof typeof PRICES.cloudflare> {
  const counts = COUNTED.workers
  const events = [MILLION, 2 * LOOKS] as const
  const logGb = events.map((count) => (count * ASSUMED.workersLogBytes) / GB) as [number, number]
  const [ofMillion, ofMonth] = logGb.map((gb) => (gb * ASSUMED.workersLogDays) / DAYS)
  return {
    requests: [MILLION, LOOKS],
    cpuMs: [MILLION * ASSUMED.workerCpuMs, LOOKS * ASSUMED.lookCpuMs],
    calls: [MILLION * counts.refresh.calls, LOOKS],
    gbSeconds: [0, DAYS * 86_400 * ASSUMED.objectGb],
    rowsRead: [MILLION * counts.refresh.reads, month(counts, 'reads') * ASSUMED.rowsEach],
    rowsWritten: [0, month(counts, 'writes') * ASSUMED.rowsEach],
    kvReads: [MILLION * counts.refresh.copies, month(counts, 'copies')],
    kvWrites: [0, month(counts, 'copied')],
    logGb,
    logGbMonths: [ofMillion ?? 0, ofMonth ?? 0],
  }
}

function onLambda(): Used<keyof typeof PRICES.aws> {
  const counts = COUNTED.lambda
  const gbSeconds = [
    MILLION * ASSUMED.lambdaSeconds * ASSUMED.lambdaGb,
    LOOKS * ASSUMED.lookSeconds * ASSUMED.lambdaGb,
  ] as const
  const logGb = [MILLION, LOOKS].map((count) => (count * ASSUMED.lambdaLogBytes) / GB) as [number, number]
  const [ofMillion, ofMonth] = logGb.map((gb) => (gb * ASSUMED.lambdaLogDays) / DAYS)
  return {
    requests: [MILLION, LOOKS],
    arm: gbSeconds,
    x86: gbSeconds,
    reads: [MILLION * counts.refresh.reads, month(counts, 'reads')],
    writes: [0, month(counts, 'writes') + month(counts, 'records') * (ASSUMED.recordUnits - 1)],
    stored: [0, ASSUMED.tableGb],
    logGb,
    logGbMonths: [ofMillion ?? 0, ofMonth ?? 0],
    secrets: [0, 1],
    outGb: [(MILLION * ASSUMED.answerBytes) / GB, 0],
  }
}

const number = (value: number): string =>
  value.toLocaleString('en-US', value < 1000 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 })
const dollars = (value: number): string => (value > 0 && value < 0.005 ? 'below 0.01' : value.toFixed(2))
const line = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const priceOf = ({ usd, per }: Price): string => `${usd}${per === 1 ? '' : ' a million'}`

interface Line {
  readonly price: Price
  readonly used: readonly [number, number]
}

const costOf = ({ usd, per }: Price, used: number): number => (used / per) * usd
const sum = (lines: readonly Line[], costs: (line: Line) => number): number =>
  lines.reduce((total, each) => total + costs(each), 0)
const beyond = ({ price, used: [million, months] }: Line): number =>
  costOf(price, Math.max(0, million + months - price.included))

function linesOf<Names extends string>(
  prices: Readonly<Record<Names, Price>>,
  used: Used<Names>,
  without?: Names,
): Line[] {
  const names = Object.keys(prices) as Names[]
  return names.filter((name) => name !== without).map((name) => ({ price: prices[name], used: used[name] }))
}

const cells = ({ price, used: [million, months] }: Line): string[] => [
  price.what,
  priceOf(price),
  number(million),
  dollars(costOf(price, million)),
  number(months),
  dollars(costOf(price, months)),
  price.included === 0 ? 'none' : number(price.included),
]

const total = (what: string, lines: readonly Line[]): string[] => [
  `**${what}**`,
  '',
  '',
  `**${dollars(sum(lines, ({ price, used }) => costOf(price, used[0])))}**`,
  '',
  `**${dollars(sum(lines, ({ price, used }) => costOf(price, used[1])))}**`,
  `beyond it: **${dollars(sum(lines, beyond))}**`,
]

/** What a day takes of the plan Free, of what it allows. */
const ofFree = ({ price, used: [million, months] }: Line): string =>
  price.free === undefined ? '' : `${number((million + months) / DAYS)} of ${number(price.free)}`

const HEAD = ['what', 'price', 'a million requests', 'USD', 'a month of schedules', 'USD']

const PREFACE = [
  '# What it costs',
  '',
  'Generated by `npm run docs` from `tools/costs-doc.ts`, which has the prices, the assumptions and what the code does; a test counts that.',
  `US dollars without tax, as seen in ${SEEN}. *A million requests* are encrypts or decrypts, each at the worst moment: it is the first of its`,
  'instance for a minute. *A month of schedules* is 30 days of one keyring: a look each minute, a sync each 600 s, the daily seal, one rotation.',
  '',
]

function cloudflareSection(): string[] {
  const lines = linesOf<keyof typeof PRICES.cloudflare>(PRICES.cloudflare, onWorkers())
  const { day } = COUNTED.workers
  return [
    '## Cloudflare Workers',
    '',
    line(...HEAD, 'Paid includes', 'Free: a day takes'),
    '|---|---|---|---|---|---|---|---|',
    ...lines.map((each) => line(...cells(each), ofFree(each))),
    line(...total('at these prices', lines), ''),
    '',
    `The plan Paid is ${PAID_PLAN.toFixed(2)} a month, for the whole account. The plan Free ends an invocation after 10 ms of CPU. Of its limits the writes to`,
    `Workers KV grow with each keyring, ${day.copied} a day, until from the seventh on all share one stamp.`,
    '',
  ]
}

function awsSection(): string[] {
  const used = onLambda()
  const arm = linesOf<keyof typeof PRICES.aws>(PRICES.aws, used, 'x86')
  const x86 = linesOf<keyof typeof PRICES.aws>(PRICES.aws, used, 'arm')
  return [
    '## AWS Lambda',
    '',
    line(...HEAD, 'free each month'),
    '|---|---|---|---|---|---|---|',
    ...linesOf<keyof typeof PRICES.aws>(PRICES.aws, used).map((each) => line(...cells(each))),
    line(...total('with arm64, as in serverless.yml', arm)),
    line(...total('with x86_64', x86)),
    '',
    'Of a million requests the log is the largest part: on Lambda each call has its line in the audit log, since an instance may be frozen after any answer.',
    '',
  ]
}

const EVENTS: Readonly<Record<Event, string>> = {
  refresh: 'the first encrypt or decrypt of an instance for a minute; others read nothing',
  list: 'a list of the keys',
  look: 'a look of the schedule at which nothing is due',
  sync: 'a sync that finds nothing new',
  day: 'a day of schedules',
  rotation: 'a rotation',
}

const pair = (read: number, written: number): string => `${number(read)} / ${number(written)}`

function countedLine([event, what]: readonly [string, string]): string {
  const [workers, lambda] = [COUNTED.workers[event as Event], COUNTED.lambda[event as Event]]
  const ofObject = pair(workers.reads, workers.writes)
  const ofKv = pair(workers.copies, workers.copied)
  return line(what, ofObject, ofKv, pair(lambda.reads, lambda.writes), String(workers.vault))
}

const countedSection = (): string[] => [
  '## What is counted',
  '',
  'For one keyring, read / written:',
  '',
  line('', 'rows of the object', 'Workers KV', 'items of the table', 'requests to Vault'),
  '|---|---|---|---|---|',
  ...Object.entries(EVENTS).map(countedLine),
  '',
  'A list, a sync or a rotation that somebody asks for, and each look, is one request to the Durable Object; on Lambda a sync or a rotation is one invoke of',
  'another function. Each further keyring adds the same, and nothing else. A vault behind references adds one write a day, of the item that describes it, and a read by',
  'each instance of the authority (test/unit/stored-references.test.ts). On Workers it adds 1,440 reads of Workers KV a day and, when it keeps something, 160 writes',
  '(test/unit/secret-copies.test.ts), each of which reads every row of that vault once, and the one that describes it twice.',
  '',
]

const ASSUMPTIONS = [
  '## What is assumed',
  '',
  `- Workers: ${ASSUMED.workerCpuMs} ms of CPU for a request (0.3 to 0.5 ms were measured here), ${ASSUMED.lookCpuMs} ms for a look. The object is charged all the time, as if it never`,
  `  rested, and each of its reads and writes is ${ASSUMED.rowsEach} rows, as if it had just begun. ${number(ASSUMED.workersLogBytes)} bytes of log for each event, kept for ${ASSUMED.workersLogDays} days; a look is two events.`,
  `- Lambda: ${ASSUMED.lambdaGb * 1024} MB; ${ASSUMED.lambdaSeconds * 1000} ms for a request, ${ASSUMED.lookSeconds * 1000} ms for a look. ${ASSUMED.lambdaLogBytes} bytes of log for each, kept for ${ASSUMED.lambdaLogDays} days and not compressed. An answer has ${number(ASSUMED.answerBytes)} bytes.`,
  `- A record of up to ten keys: 4 KB for a read, ${ASSUMED.recordUnits} KB for a write; every other item is below 1 KB, and the table below ${(ASSUMED.tableGb * GB) / MB} MB.`,
  "- A Vault token from the settings. What a login keeps of its token is not counted, nor are Vault itself, custom domains, API Gateway, a VPC's NAT gateway or endpoints.",
  '- A function URL costs what Lambda does. Secrets are read at a deployment, so that calls of Secrets Manager are not counted.',
  '',
]

const SOURCES = [
  '## Prices',
  '',
  '- [Workers](https://developers.cloudflare.com/workers/platform/pricing/), [Durable Objects](https://developers.cloudflare.com/durable-objects/platform/pricing/), [Workers KV](https://developers.cloudflare.com/kv/platform/pricing/), [logs](https://developers.cloudflare.com/observability/pricing/): those of logs are from 1 December 2026 on.',
  '- [Lambda](https://aws.amazon.com/lambda/pricing/), [DynamoDB](https://aws.amazon.com/dynamodb/pricing/on-demand/), [CloudWatch](https://aws.amazon.com/cloudwatch/pricing/), [Secrets Manager](https://aws.amazon.com/secrets-manager/pricing/), [transfer](https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer) in us-east-1. These pages show prices by script: they were taken from what others quoted of them in 2025 and 2026.',
  '- Missing: prices of other regions, such as eu-central-1, the default of serverless.yml; and one for the schedule of a rule of [EventBridge](https://aws.amazon.com/eventbridge/pricing/), of which its page says nothing: it counts as none.',
  '',
]

const text = (): string =>
  [...PREFACE, ...cloudflareSection(), ...awsSection(), ...countedSection(), ...ASSUMPTIONS, ...SOURCES].join('\n')

if (import.meta.main) {
  const path = new URL('../docs/costs.md', import.meta.url)
  if (!process.argv.includes('--check')) writeFileSync(path, text())
  else if (readFileSync(path, 'utf8') !== text()) {
    console.error('docs/costs.md is out of date: npm run docs')
    process.exitCode = 1
  }
}
