/** Opens the login method that the settings name. */
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

export const openLogin = (settings: LoginBySettings, parts: LoginParts): LoginMethod =>
  (METHODS[settings.method] as Open<LoginBySettings['method']>)(settings, parts)
