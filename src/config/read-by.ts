import * as z from 'zod/mini'
import type { Read } from './plain.ts'

/** A plain reader as a schema. */
export const readBy = <T>(read: Read<T>) =>
  z.transform((text: string, { issues }): T => {
    let isRight = true
    const value = read(text, (message, ...path) => {
      isRight = false
      issues.push({ code: 'custom', message, path: [...path], input: null })
    })
    return isRight ? value : z.NEVER
  })
