/** To three digits, which is more than anybody needs of a rate or a share. */
export function rounded(rate: number): number {
  return Number(rate.toPrecision(3))
}
