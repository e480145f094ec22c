/** Reads the files and texts of Vault's TLS, and checks that they hold together. Nothing that was read is ever shown. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import type { VaultTls } from '../../src/config/config.ts'
import type { Problem } from '../../src/config/setting.ts'

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
}

/** Whether there is anything that the runtime's own fetch cannot do. */
export const isSpecial = ({ authorities, client, serverName }: VaultTls): boolean =>
  authorities !== null || client !== null || serverName !== null

const isPem = (text: string): boolean => text.includes('-----BEGIN ')

/** A text that is another one when a file is: it has the time of change, inode and size. A file that is not there is `-`. */
export function stampOf({ authorities, client }: VaultTls): string {
  const texts = [...(authorities ?? []), ...(client === null ? [] : [client.cert, client.key.reveal()])]
  return texts
    .filter((text) => !isPem(text) && text !== 'system')
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined ? '-' : `${stat.mtimeMs}:${stat.ino}:${stat.size}`))
    .join()
}

export function readTls(tls: VaultTls, now: number): TlsFiles {
  const reader = new Reader(now)
  const ca = tls.authorities?.flatMap((text) =>
    text === 'system' ? systemAuthorities() : reader.certificates(tls.names.authorities, text),
  )
  const client = tls.client === null ? {} : reader.client(tls.client, tls.names)
  return {
    credentials: {
      ...(ca !== undefined && { ca }),
      ...client,
      ...(tls.serverName !== null && { servername: tls.serverName }),
    },
    problems: reader.problems,
    warnings: reader.warnings,
  }
}

const systemAuthorities = (): string[] => [...getCACertificates('default'), ...getCACertificates('system')]

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

class Reader {
  readonly problems: Problem[] = []
  readonly warnings: string[] = []
  readonly #now: number

  constructor(now: number) {
    this.#now = now
  }

  /** Each certificate of a bundle; [] = there was a problem. */
  certificates(name: string, text: string): string[] {
    const pem = this.#pem(name, text)
    if (pem === null) return []
    const blocks = pem.match(BLOCK) ?? []
    const parsed = blocks.map(parseCertificate)
    if (parsed.length === 0 || parsed.includes(null)) {
      this.#problem(name, 'has no certificate in PEM, or one that cannot be read')
      return []
    }
    for (const certificate of parsed) if (certificate !== null) this.#checkDates(name, certificate)
    return blocks
  }

  client(client: NonNullable<VaultTls['client']>, names: VaultTls['names']): Pick<Credentials, 'cert' | 'key'> {
    const blocks = this.certificates(names.cert, client.cert)
    const key = this.#pem(names.key, client.key.reveal())
    const parsed = key === null ? null : parseKey(key)
    if (key !== null && parsed === null) this.#problem(names.key, 'has no private key in PEM, or one with a passphrase')
    const [leaf] = blocks
    if (leaf === undefined || key === null || parsed === null) return {}
    if (!new X509Certificate(leaf).checkPrivateKey(parsed))
      this.#problem(names.key, `does not belong to the first certificate of ${names.cert}`)
    return { cert: blocks.join('\n'), key }
  }

  /** @returns `null` = there was a problem. */
  #pem(name: string, text: string): string | null {
    if (isPem(text)) return text
    try {
      return readFileSync(text, 'utf8')
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

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    return null
  }
}

function parseKey(pem: string) {
  try {
    return createPrivateKey(pem)
  } catch {
    return null
  }
}
