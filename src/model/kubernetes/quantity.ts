/**
 * Quantities of Kubernetes (`10M`, `1.5Gi`, `3e6`) as whole numbers, rounded away from zero as Kubernetes does.
 */
const DECIMAL: Readonly<Record<string, number>> = {n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18};
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const QUANTITY = /^([+-]?)([0-9]{1,32})?(?:\.([0-9]{0,32}))?(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i))?$/;

/** Undefined when it is not a quantity. */
export function parseQuantity(text: string): bigint | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const power = exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent.slice(1));
  const binary = BINARY.indexOf(suffix) + 1;
  const digits = BigInt(whole + fraction) * 1024n ** BigInt(binary);
  const decimals = power - fraction.length;
  const value = decimals >= 0 ? digits * 10n ** BigInt(decimals) : dividedUp(digits, 10n ** BigInt(-decimals));
  return sign === '-' ? -value : value;
}

const dividedUp = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor;
