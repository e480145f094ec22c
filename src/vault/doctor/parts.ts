/** The parts of a deployment that the steps of an examination look at. */
import type { End } from '../../core/ends.ts'
import type { Probe, Refuses } from '../../core/findings.ts'
import type { Clock, KeySource, SourceId } from '../../core/ports.ts'
import type { VaultReader } from '../reader.ts'
import type { VaultTransport } from '../wire/transport.ts'

/** A login, and what reads with it. */
export interface DoctorLogin {
  readonly reader: VaultReader
  /** How the login is called, for people: `approle at auth/approle, role "edge"`. */
  readonly login: string
  /** What of its credential ends by itself. */
  readonly loginEnds: (signal: AbortSignal) => Promise<readonly End[]>
  /** Whether a login gets another token by itself when this one ends. */
  readonly hasLogin: boolean
  /** Whether there is to be a new login where the token is dead. */
  readonly isForced: boolean
}

/** Of the way to a KV mount, whatever is read there. */
export interface WayParts extends DoctorLogin {
  /** It has no namespace, because `sys/health` is outside of all. */
  readonly transport: VaultTransport
  readonly source: { readonly id: Pick<SourceId, 'kind' | 'namespace' | 'mount'> }
  /** `null` = the platform does not show the network. */
  readonly probe: Probe | null
  readonly clock: Clock
  readonly address: string
}

export interface DoctorParts extends WayParts {
  readonly source: KeySource
  /** Rotations write with it. `null` = they have none of their own here. */
  readonly rotation: DoctorLogin | null
  /** By what the keyring holds. */
  readonly refuses: Refuses
}
