/** The Node composition: settings to ports to app, in one process. */
import { hash as digest } from 'node:crypto'
import { createApp, createAuthority, openKeyrings } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import type { ApiToken } from '../../src/core/api-token.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import { defectLine, failureLine, settingLine } from '../../src/core/lines.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { systemClock } from '../../src/core/clock.ts'
import { nodeNonces } from '../node-shared/nonces.ts'
import { probeOf } from '../node-shared/probe.ts'
import { readTextFile } from '../node-shared/text-file.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import { rareRoutes } from '../../src/http/rare-routes.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import type { Incoming } from '../../src/http/dispatch.ts'
import type { Renew } from '../../src/keyring/renewed-authority.ts'
import { RenewedAuthority } from '../../src/keyring/renewed-authority.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { tellingAuthority, wrappingTroubles } from '../../src/keyring/wrapping-trouble.ts'
import { rare } from '../../src/rare.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { openVaults } from '../../src/vaults.ts'
import { auditLog, fileSink, streamSink } from './audit-log.ts'
import type { AuditStream } from './audit-log.ts'
import { SQLITE_READERS_MS, sqliteStore } from './sqlite-store.ts'
import { openNodeVaults } from './vaults.ts'

/** How often the schedule looks whether a sync is due, in milliseconds. */
const SCHEDULE_MS = 60_000
/** New versions that one sync reads at most. */
const SYNC_BATCH = 900
/** The authority is in this process, and another one's write shows within a second. */
const FRESHNESS = { freshMs: SQLITE_READERS_MS, backgroundMs: SQLITE_READERS_MS, pauseMs: 0 }

export type Instance = ReturnType<typeof openInstance>

interface InstanceOptions {
  readonly database: string
  /** `null` = `auditStream`. */
  readonly auditFile: string | null
  /** Standard output unless set. */
  readonly auditStream?: AuditStream
  /** Tokens beside those of the settings. */
  readonly callers?: readonly ApiToken[]
  /** Reads the settings by reference again. Absent = they stay as they are. */
  readonly renew?: Renew<VaultsConfig> | null
}

export function openInstance(given: VaultsConfig, options: InstanceOptions) {
  const { database, auditFile, auditStream = process.stdout, callers = [], renew = null } = options
  const store = sqliteStore(database)
  if (store.trouble !== null) say(failureLine('store', store.trouble))
  const items = sqlItems(store.run, () => systemClock.now())
  const audit = auditLog(auditFile === null ? streamSink(auditStream) : fileSink(auditFile), say)
  const shared = { cipher: nodeCipher, hash: nodeHash, nonces: nodeNonces, clock: systemClock, replica: null, audit }
  const asking = { ...shared, store, readFile: readTextFile, loadRare: () => rare, log: say }
  const open = (config: VaultsConfig) => {
    const vault = vaultFetch(config.vault)
    const vaults = openNodeVaults(config, { ...asking, items })
    const authority = createAuthority(config, {
      ...asking,
      fetch: vault.fetch,
      probe: probeOf(config.vault, systemClock),
      vaults: vaults.keepers,
      syncBatch: SYNC_BATCH,
      leftMs: () => Number.POSITIVE_INFINITY,
    })
    const close = async () => void (await Promise.all([vault.close(), vaults.close()]))
    return { config, authority, close, ...answering(config) }
  }
  /** What answers follows from the settings too: their tokens and wrapping keys. */
  const answering = (config: VaultsConfig) => {
    const extraTokens = [...adminToken(config), ...callers]
    const { vaults: entities = [], brokenVaults: broken = [] } = config
    const vaults = openVaults(entities, config, { ...shared, ...FRESHNESS, authority, broken })
    const own = { background: null, freshness: FRESHNESS, loadRoutes: () => rareRoutes }
    const ports = { ...shared, ...own, authority, vaults, extraTokens, onDefect }
    return { app: createApp(config, ports), keyring: openKeyrings(config, ports) }
  }
  const authority = distantAuthority((message) => telling.call(message))
  const tell = (setting: string, problem: string) => say(settingLine(setting, problem))
  const own = new RenewedAuthority({ first: open(given), renew, open, clock: systemClock, tell })
  const telling = tellingAuthority(own, say)
  const schedule = scheduleOf(telling, () => own.live.config)
  return {
    app: { fetch: (request: Incoming) => own.live.app.fetch(request) },
    keyring: (name: string) => own.live.keyring(name),
    audit,
    /** What stops a start. */
    troubles: () => wrappingTroubles(own, given.keyrings),
    /** What the schedule does, now. */
    look: () => schedule.look(),
    /** Begins nothing by itself any more. Over when what it had begun is. */
    rest: () => schedule.rest(),
    /** The audit log comes first: a request to Vault that is still under way would hold it up. */
    async close() {
      void schedule.rest()
      await audit.close()
      await own.live.close()
      store.close()
    },
  }
}

/** Looks once a minute. `rest` ends that, and waits for the looks that have begun. */
function scheduleOf(authority: KeyringAuthority, config: () => VaultsConfig) {
  let looks = Promise.resolve()
  const look = () => {
    const before = looks
    const { keyrings, vaults = [] } = config()
    const prefixes = vaults.map(({ prefix }) => prefix)
    looks = runSchedule(authority, keyrings, say, undefined, prefixes)
      .catch((error: unknown) => onDefect(error, 'schedule'))
      .then(() => before)
    return looks
  }
  const timer = setInterval(() => void look(), SCHEDULE_MS).unref()
  return {
    look,
    rest() {
      clearInterval(timer)
      return looks
    },
  }
}

function adminToken({ node }: Config): ApiToken[] {
  if (node.apiToken === null) return []
  const sha256 = digest('sha256', node.apiToken.reveal())
  return [{ name: 'admin', sha256, grants: ['admin'], expiresAt: null }]
}

const onDefect = (error: unknown, request: string): void => say(defectLine(error, request))

/** Bytes for a reader of standard error that is stalled. */
const MOST_UNREAD = 64 * 1024

/** Tells what goes beside the audit log. Nobody needs to read it: `console` survives that, and what nobody takes is not kept for ever. */
function say(line: string): void {
  if (process.stderr.writableLength < MOST_UNREAD) console.error(line)
}
