/** Workers for the harness: the one called `first` has the Durable Object, the others are isolates of their own beside it. */
import { join } from 'node:path'

export const REPLICA = { kv_namespaces: [{ binding: 'KEYRING_REPLICA', id: 'replica' }] }

/** @param main from the root of the repository. @param replica its binding, Workers KV unless given. */
export function isolate(name: string, main: string, vars: Record<string, string>, replica: object = REPLICA) {
  const isFirst = name === 'first'
  return {
    config: {
      name,
      main: join(import.meta.dirname, '../..', main),
      compatibility_date: '2026-10-01',
      vars,
      durable_objects: {
        bindings: [{ name: 'KEYRING_OBJECT', class_name: 'KeyringObject', ...(!isFirst && { script_name: 'first' }) }],
      },
      ...(isFirst && { migrations: [{ tag: 'v1', new_sqlite_classes: ['KeyringObject'] }] }),
      ...replica,
    },
  }
}
