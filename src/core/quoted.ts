/** A value that is still in the quotes of the shell, the YAML or the file of settings that it was written in. */
export const isQuoted = (trimmed: string): boolean => /^(["']).*\1$/s.test(trimmed)
