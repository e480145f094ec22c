/** `kubernetes`: the login of the pod's service account, by the JWT that the cluster puts into a file and renews there. */
import type { KubernetesSettings } from '../../core/login-settings.ts'
import { readJwt, subjectOf } from './credential.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { loginPath } from './path.ts'

export function kubernetesLogin({ mount, role, jwt }: KubernetesSettings, parts: LoginParts): LoginMethod {
  const read = () => readJwt(jwt, 'kube_api_token', parts)
  return {
    method: 'kubernetes',
    mount,
    role,
    credential: async () => subjectOf(await read()),
    login: async (vault, signal) => vault.login(loginPath(mount), { role, jwt: await read() }, signal),
  }
}
