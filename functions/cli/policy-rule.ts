/** One rule of a policy of Vault's. */
export const rule = (path: string, capabilities: readonly string[]): string =>
  `path "${path}" { capabilities = [${capabilities.map((each) => `"${each}"`).join(', ')}] }\n`
