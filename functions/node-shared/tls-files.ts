/** Reads the files and texts of Vault's TLS, and checks that they hold together. Nothing that was read is ever shown. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import type { VaultTls } from '../../src/config/vault.ts'
import type { Problem } from '../../src/config/setting.ts'
import type { PemBlock } from '../../src/core/pem.ts'
import { certificatesIn, isPem, privateKeyIn } from '../../src/core/pem.ts'
import type { End } from '../../src/core/ends.ts'
import type { Secret } from '../../src/core/secret.ts'
import { fileText, refuseOdd } from './text-file.ts'

/** As `tls.connect` takes it. */
export interface Credentials {
  readonly ca?: readonly string[]
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

export interface TlsFiles {
  readonly credentials: Credentials
  readonly problems: readonly Problem[]
  /** They tell what works today and will not for ever. */
  readonly warnings: readonly string[]
  /** Of the client certificate. */
  readonly ends: readonly End[]
}

/** Whether there is anything that the runtime's own fetch cannot do. */
export const isSpecial = ({ authorities, client, serverName }: VaultTls): boolean =>
  authorities !== null || client !== null || serverName !== null

/** A text that is another one when a file is: it has the time of change, inode and size. A file that is not there is `-`. */
export function stampOf({ authorities, client }: VaultTls): string {
  return [...entriesOf(authorities), ...(client === null ? [] : [client.cert.reveal(), client.key.reveal()])]
    .filter((text) => !isPem(text) && text !== 'system')
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '-' : `${stat.mtimeMs}:${stat.ino}:${stat.size}`))
    .join()
}

export function readTls(tls: VaultTls, now: number): TlsFiles {
  const reader = new Reader(now)
  const ca = entriesOf(tls.authorities).flatMap((text) =>
    text === 'system' ? systemAuthorities() : reader.certificates(tls.names.authorities, text).map(String),
  )
  const client = tls.client === null ? {} : reader.client(tls.client, tls.names)
  return {
    credentials: {
      ...(tls.authorities !== null && { ca }),
      ...client,
      ...(tls.serverName !== null && { servername: tls.serverName }),
    },
    problems: reader.problems,
    warnings: reader.warnings,
    ends: reader.ends,
  }
}

/** Commas separate entries where they touch a block or `system`; others are of the text around a block, such as a subject. */
const BETWEEN = /(?<=^\s*system\s*|-----[\s\\rn]*),|,(?=[\s\\rn]*(?:-----BEGIN |system\s*$))/

const entriesOf = (authorities: Secret | null): string[] =>
  authorities
    ?.reveal()
    .split(BETWEEN)
    .flatMap((part) => (isPem(part) ? [part] : part.split(',').map((entry) => entry.trim()))) ?? []

const systemAuthorities = (): string[] => [...getCACertificates('default'), ...getCACertificates('system')]

class Reader {
  readonly problems: Problem[] = []
  readonly warnings: string[] = []
  readonly ends: End[] = []
  readonly #now: number

  constructor(now: number) {
    this.#now = now
  }

  /** Each certificate of a bundle; [] = there was a problem. */
  certificates(name: string, given: string): X509Certificate[] {
    const text = this.#text(name, given)
    if (text === null) return []
    const read = certificatesIn(text).map(({ content }) => orNull(() => new X509Certificate(derOf(content))))
    const certificates = read.filter((each) => each !== null)
    for (const certificate of certificates) this.#checkDates(name, certificate)
    if (read.length > 0 && certificates.length === read.length) return certificates
    this.#problem(name, 'has no certificate in PEM, or one that cannot be read')
    return []
  }

  /** TLS wants the certificate of the key first, wherever it stands. */
  client(client: NonNullable<VaultTls['client']>, names: VaultTls['names']): Pick<Credentials, 'cert' | 'key'> {
    const all = this.certificates(names.cert, client.cert.reveal())
    const key = this.#key(names.key, client.key.reveal())
    if (all.length === 0 || key === null) return {}
    const leaf = all.find((certificate) => certificate.checkPrivateKey(key))
    if (leaf === undefined) {
      this.#problem(names.key, `does not belong to a certificate of ${names.cert}`)
      return {}
    }
    const [since, at] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()]
    const [words, remedy] = ['The client certificate', 'Renew the client certificate.']
    this.ends.push({ what: 'client-certificate', name: null, words, remedy, since, at })
    const chain = [leaf, ...all.filter((certificate) => certificate !== leaf)]
    return { cert: chain.join(''), key: key.export({ type: 'pkcs8', format: 'pem' }).toString() }
  }

  /** @returns `null` = there was a problem. */
  #key(name: string, given: string): KeyObject | null {
    const text = this.#text(name, given)
    if (text === null) return null
    const block = privateKeyIn(text)
    const key = typeof block === 'string' ? null : orNull(() => keyOf(block))
    if (key === null) this.#problem(name, typeof block === 'string' ? block : 'has a private key that cannot be read')
    return key
  }

  /** @returns `null` = there was a problem. */
  #text(name: string, given: string): string | null {
    if (isPem(given)) return given
    if (name.endsWith('_BYTES')) return ''
    try {
      refuseOdd(statSync(given))
      return fileText(readFileSync(given))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      this.#problem(name, `names a file that cannot be read (${code})`)
      return null
    }
  }

  #checkDates(name: string, { validFromDate, validToDate }: X509Certificate): void {
    const [from, to] = [validFromDate, validToDate].map((date) => date.toISOString().slice(0, 10))
    if (validToDate.getTime() < this.#now) this.warnings.push(`${name} has a certificate that expired on ${to}.`)
    if (validFromDate.getTime() > this.#now) this.warnings.push(`${name} has a certificate that is valid from ${from}.`)
  }

  #problem(name: string, message: string): void {
    this.problems.push({ name, message })
  }
}

const derOf = (content: string): Buffer => Buffer.from(content, 'base64')

function keyOf({ label, content }: PemBlock): KeyObject {
  const type = label === 'RSA PRIVATE KEY' ? 'pkcs1' : label === 'EC PRIVATE KEY' ? 'sec1' : 'pkcs8'
  return createPrivateKey({ key: derOf(content), format: 'der', type })
}

function orNull<T>(make: () => T): T | null {
  try {
    return make()
  } catch {
    return null
  }
}
