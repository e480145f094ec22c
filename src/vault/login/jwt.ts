/** `jwt`: the login by a JWT that somebody else has issued, such as a platform's identity token. */
import { identityTokens } from '#server/vault/login/identity-token'
import type { JwtSettings } from '../../core/login-settings.ts'
import { readJwt, subjectOf } from './credential.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { inRole, loginPath } from './path.ts'

export function jwtLogin({ mount, role, jwt }: JwtSettings, parts: LoginParts): LoginMethod {
  const read = 'url' in jwt ? identityTokens(jwt, parts) : () => readJwt(jwt, 'jwt', parts)
  return {
    method: 'jwt',
    mount,
    role,
    credential: async (signal) => subjectOf(await read(signal)),
    login: async (vault, signal) => vault.login(loginPath(mount), { ...inRole(role), jwt: await read(signal) }, signal),
  }
}
