/** Vault's fetch where there is Node. The way itself is loaded at the first request, so that no start pays for it. */
import type { Env } from '../../src/config/setting.ts'
import type { VaultFetch, WaySettings } from './way.ts'

/** For a process that will ask: the time of its first request is not spent on loading. What fails here is met again by whoever asks. */
export async function loadWay(): Promise<void> {
  const loading = import('./way.ts').then(({ loadUndici }) => loadUndici())
  await loading.catch(() => {})
}

/** @param vault `null` = nothing is asked. @param env names the proxies. */
export function vaultFetch(vault: WaySettings | null, env: Env = process.env): VaultFetch {
  let way: VaultFetch | null = null
  return {
    async fetch(request) {
      if (vault === null) throw new TypeError('There is no Vault to be asked.')
      const { openWay } = await import('./way.ts')
      return (way ??= openWay(vault, env)).fetch(request)
    },
    close: async () => way?.close(),
  }
}
