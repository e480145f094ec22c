/** What the steps of an examination look at. */
import type { Probe } from '../../core/findings.ts'
import type { Clock, KeySource } from '../../core/ports.ts'
import type { VaultReader } from '../reader.ts'
import type { VaultTransport } from '../wire/transport.ts'

export interface DoctorParts {
  /** Without a namespace: `sys/health` is outside of all. */
  readonly transport: VaultTransport
  readonly reader: VaultReader
  readonly source: KeySource
  /** `null` = the platform does not show the network. */
  readonly probe: Probe | null
  readonly clock: Clock
  readonly address: string
  /** How the login is called, for people: `approle at auth/approle, role "edge"`. */
  readonly login: string
}
