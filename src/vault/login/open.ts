/** Opens the login method that the settings name. */
import { errorFrom, settle } from '../../core/errors.ts'
import type { LoginSettings } from '../../core/login-settings.ts'
import { appRoleLogin } from './approle.ts'
import { awsIamLogin } from './aws-iam.ts'
import { certLogin } from './cert.ts'
import { jwtLogin } from './jwt.ts'
import { kubernetesLogin } from './kubernetes.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { oauth2Login } from './oauth2.ts'
import { userpassLogin } from './userpass.ts'

/** A token is no login: it is used as it is. */
export type LoginBySettings = Exclude<LoginSettings, { readonly method: 'token' }>

type Open<M> = (settings: Extract<LoginBySettings, { readonly method: M }>, parts: LoginParts) => LoginMethod

const METHODS: { readonly [M in LoginBySettings['method']]: Open<M> } = {
  kubernetes: kubernetesLogin,
  approle: appRoleLogin,
  cert: certLogin,
  jwt: jwtLogin,
  oauth2: oauth2Login,
  aws_iam: awsIamLogin,
  userpass: userpassLogin,
}

export function openLogin(settings: LoginBySettings, parts: LoginParts): LoginMethod {
  const method = (METHODS[settings.method] as Open<LoginBySettings['method']>)(settings, parts)
  return {
    ...method,
    credential: async (signal) => settledAtLogin(async () => method.credential(signal)),
    login: (vault, signal) => settledAtLogin(() => method.login(vault, signal)),
  }
}

/** An error that knows no step of its own, such as that of a file, a wrapping token or an identity provider, is one of the login. */
async function settledAtLogin<T>(work: () => Promise<T>): Promise<T> {
  const settled = await settle(work)
  if (settled.ok) return settled.value
  throw errorFrom({ ...settled.error, facts: { step: 'login', ...settled.error.facts } })
}
