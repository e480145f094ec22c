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

export function openLogin(settings: LoginBySettings, parts: LoginParts): LoginMethod {
  switch (settings.method) {
    case 'kubernetes':
      return kubernetesLogin(settings, parts)
    case 'approle':
      return appRoleLogin(settings, parts)
    case 'cert':
      return certLogin(settings, parts)
    case 'jwt':
      return jwtLogin(settings, parts)
    case 'oauth2':
      return oauth2Login(settings, parts)
    case 'aws_iam':
      return awsIamLogin(settings, parts)
    case 'userpass':
    default:
      return userpassLogin(settings)
  }
}
