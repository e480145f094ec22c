/** The dev Vault's data and the file that it is kept in. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { KeyringError } from '../../src/core/errors.ts'
import { Access } from './access.ts'
import type { LoginMounts } from './roles.ts'
import type { Mount, Mounts } from './secrets.ts'
import { append, newMount } from './secrets.ts'

export interface DevVaultOptions {
  /** 0 = any that is free. */
  readonly port: number
  /** The file is written whole at each change, with mode 600. `null` = nothing outlives the process. */
  readonly dataFile: string | null
  /** `root` unless set. */
  readonly rootToken?: string
  /** A secret that is written when there is no data yet. */
  readonly seed?: { readonly mount: string; readonly path: string; readonly data: Readonly<Record<string, unknown>> }
}

export class State {
  readonly mounts: Mounts
  readonly access: Access
  readonly logins: LoginMounts = new Map()
  /** This is not kept: a restart begins unsealed. */
  sealed = false
  readonly #file: string | null

  constructor({ dataFile, rootToken = 'root', seed }: DevVaultOptions) {
    this.#file = dataFile
    this.access = new Access(rootToken)
    const isNew = dataFile === null || !existsSync(dataFile)
    this.mounts = isNew ? new Map([['secret', newMount('2')]]) : read(dataFile)
    if (isNew && seed !== undefined) this.#sow(seed)
    if (isNew) this.save()
  }

  /** Whoever reads the file finds the state before a write or after it. */
  save(): void {
    if (this.#file === null) return
    writeFileSync(`${this.#file}.new`, toJson(this.mounts), { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
  }

  #sow({ mount: name, path, data }: NonNullable<DevVaultOptions['seed']>): void {
    const mount = this.mounts.get(name) ?? newMount('2')
    this.mounts.set(name, mount)
    append(mount, path, data)
  }
}

const toJson = (mounts: Mounts): string =>
  JSON.stringify(mounts, (_, value: unknown) => (value instanceof Map ? [...value] : value))

interface StoredMount extends Omit<Mount, 'plain' | 'secrets'> {
  readonly plain: Parameters<Mount['plain']['set']>[]
  readonly secrets: Parameters<Mount['secrets']['set']>[]
}

function read(file: string): Mounts {
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as [string, StoredMount][]
    return new Map(stored.map(([name, mount]) => [name, revived(mount)]))
  } catch {
    throw new KeyringError('ERR_STORE_UNAVAILABLE', `${file} does not hold a dev Vault's data.`, {
      remedy: 'Move it away.',
    })
  }
}

const revived = ({ plain, secrets, ...mount }: StoredMount): Mount => ({
  ...mount,
  plain: new Map(plain),
  secrets: new Map(secrets),
})
