/** `userpass`: the login by a name and a password that Vault keeps. */
import type { UserpassSettings } from '../../core/login-settings.ts'
import type { LoginMethod } from './method.ts'
import { loginPath } from './path.ts'

export function userpassLogin({ mount, username, password }: UserpassSettings): LoginMethod {
  return {
    method: 'userpass',
    mount,
    role: '',
    credential: () => JSON.stringify([username, password.reveal()]),
    login: (vault, signal) => vault.login(loginPath(mount, username), { password: password.reveal() }, signal),
  }
}
