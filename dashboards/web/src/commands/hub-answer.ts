/** Did the hub itself say that the time ran out, or that no result came? Then its reason tells more than the silence. */
export function hubExpired(stages: readonly { readonly stage: string; readonly by: string }[]): boolean {
  return stages.some(({ stage, by }) => stage === 'expired' && by === 'hub')
}
