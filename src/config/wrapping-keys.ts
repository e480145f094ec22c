import * as z from 'zod/mini'
import { readBy } from './read-by.ts'
import { WRAPPING_KEYS_NEEDED, readWrappingKeys } from './read-wrapping-keys.ts'

export const wrappingKeys = z.pipe(z.string(WRAPPING_KEYS_NEEDED), readBy(readWrappingKeys))
