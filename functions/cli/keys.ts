import { defineCommand } from 'citty'
import { jsonArg, withKeyring } from './local-store.ts'

export const keys = defineCommand({
  meta: { name: 'keys', description: 'List the keys, never their material.' },
  args: jsonArg,
  run: ({ args }) =>
    withKeyring(args.json, async (keyring) => {
      const { keys: list } = await keyring.status()
      if (args.json) return console.log(JSON.stringify(list))
      if (list.length === 0) return console.log('no keys yet: edge-keyring sync')
      const width = Math.max(...list.map(({ id }) => id.length), 2)
      console.log(`${'ID'.padEnd(width)}  ${'STATE'.padEnd(11)}  ${'AT SOURCE'.padEnd(9)}  VERSIONS  CREATED`)
      for (const { id, state, source, versions, created, weak } of list) {
        console.log(
          `${id.padEnd(width)}  ${state.padEnd(11)}  ${source.padEnd(9)}  ${versions.join(',').padEnd(8)}  ${created}${weak ? '  weak' : ''}`,
        )
      }
    }),
})
