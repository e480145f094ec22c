#!/usr/bin/env node
/** The command line, where it is found by its name: a Node that cannot read TypeScript gets a sentence and no stack. */
await import('./require-node.mjs')
await import('../functions/cli/main.ts')
