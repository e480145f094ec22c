import * as z from 'zod/mini'
import { readApiTokens } from './read-api-tokens.ts'
import { readBy } from './read-by.ts'

export const apiTokens = z.pipe(z.string(), readBy(readApiTokens))
