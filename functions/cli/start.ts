/** `edge-keyring start`: the same server as `npm start`, loaded only for this command. */
import { command } from './command.ts'

export const start = command({
  meta: { name: 'start', description: 'Serve the keyring here (with a dev Vault when none is configured).' },
  args: { fresh: { type: 'boolean', description: 'Begin anew: forget .edge-keyring/.', default: false } },
  async run({ args }) {
    const server = await import('../node/server.ts')
    await server.start(() => ({ fresh: args.fresh }))
  },
})
