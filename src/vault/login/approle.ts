/** `approle`: the login by a role id and, unless the role needs none, a secret id, given as it is or inside a wrapping token. */
import type { AppRoleSettings } from '../../core/login-settings.ts'
import { readCredential } from './credential.ts'
import type { LoginMethod, LoginParts, LoginVault } from './method.ts'
import { loginPath } from './path.ts'

export function appRoleLogin(settings: AppRoleSettings, parts: LoginParts): LoginMethod {
  const { mount, roleName, wrapping } = settings
  const roleId = settings.roleId.reveal()
  const given = async () =>
    settings.secretId === null ? undefined : readCredential(settings.secretId, 'approle_secret_id', parts)
  const secretId = async (vault: LoginVault, signal: AbortSignal) => {
    const token = await given()
    if (!wrapping || token === undefined) return token
    const { unwrapSecretId } = await parts.loadRare()
    return unwrapSecretId({ mount, roleName, token, vault, parts }, signal)
  }
  return {
    method: 'approle',
    mount,
    role: roleName,
    credential: async () => JSON.stringify([roleId, await given()]),
    /** JSON leaves out what is undefined. */
    login: async (vault, signal) =>
      vault.login(loginPath(mount), { role_id: roleId, secret_id: await secretId(vault, signal) }, signal),
    /** The policy must allow it. A secret id that does not end has a year before 1970. */
    async ends(vault, token, signal) {
      if (roleName === '' || settings.secretId === null) return []
      const path = [...loginPath(mount).slice(0, -1), 'role', roleName, 'secret-id', 'lookup']
      const found = await vault.post(path, { secret_id: await secretId(vault, signal) }, token, signal)
      const { creation_time: made, expiration_time: over } = Object(Object(found).data) as Partial<
        Record<string, unknown>
      >
      const [since, at] = [Date.parse(String(made)), Date.parse(String(over))]
      const [words, remedy] = ['The secret id of the login', 'Give a new one in KEYRING_VAULT_APPROLE_SECRET_ID.']
      return at > since ? [{ what: 'secret-id', name: null, words, remedy, since, at }] : []
    },
  }
}
