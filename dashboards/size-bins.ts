/** Upper ends of the sizes that files are counted by, in bytes; the last count is of those above all of them. */
export const SIZE_BINS = [4 ** 8, 4 ** 9, 4 ** 10, 4 ** 11, 4 ** 12, 4 ** 13, 4 ** 14] as const
