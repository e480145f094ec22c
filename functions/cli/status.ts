import { defineCommand } from 'citty'
import { jsonArg, withKeyring } from './local-store.ts'

export const status = defineCommand({
  meta: { name: 'status', description: 'What there is, what is wrong since when, what is needed now.' },
  args: jsonArg,
  run: ({ args }) =>
    withKeyring(args.json, async (keyring) => {
      const view = await keyring.status()
      if (args.json) return console.log(JSON.stringify(view))
      console.log(
        `keyring       ${view.keyring}: ${view.keys.length} ${view.keys.length === 1 ? 'key' : 'keys'}, active ${view.active ?? 'none'}`,
      )
      if (view.source !== null)
        console.log(`source        ${view.source.address} ${view.source.mount}/${view.source.path}`)
      console.log(`last success  ${view.last_success ?? 'never'}`)
      if (view.last_error !== null)
        console.log(
          `failing       since ${view.last_error.since}, ${view.last_error.failures} times: ${view.last_error.code}: ${view.last_error.message}`,
        )
      if (view.lost > 0) console.log(`lost          ${view.lost} versions vanished before they were read`)
      for (const { version, why } of view.skipped) console.log(`skipped       version ${version}: ${why}`)
      for (const line of view.needed) console.log(`needed        ${line}`)
      if (view.needed.length === 0) console.log('needed        nothing')
    }),
})
