/** `cert`: the login by the client certificate of the connection. The transport presents it; the login only names the role. */
import type { CertSettings } from '../../core/login-settings.ts'
import { credentialText } from './credential.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { loginPath } from './path.ts'

/** Without a role Vault tries them all. */
export function certLogin({ mount, role, certificate }: CertSettings, parts: LoginParts): LoginMethod {
  return {
    method: 'cert',
    mount,
    role,
    credential: () => (certificate === null ? '' : credentialText(certificate.cert, 'cert_auth_cert', parts)),
    login: (vault, signal) => vault.login(loginPath(mount), role === '' ? {} : { name: role }, signal),
  }
}
