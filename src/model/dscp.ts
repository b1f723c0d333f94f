/**
 * Differentiated services code points: a number below 64, or one of the names that stand for one.
 */
const NAMES: ReadonlyMap<string, number> = new Map([
  ['DF', 0],
  ['EF', 46],
  ...[1, 2, 3, 4].flatMap((group) => [1, 2, 3].map((drop) => [`AF${group}${drop}`, group * 8 + drop * 2] as const)),
  ...[0, 1, 2, 3, 4, 5, 6].map((group) => [`CS${group}`, group * 8] as const),
]);

export const DSCP_RULE = 'must be 0 to 63 or a name such as EF, AF11, CS1';

/** The code point that a number or a name (in any case) stands for; undefined when it is neither. */
export function parseDscp(text: string): number | undefined {
  if (/^[0-9]{1,2}$/.test(text)) return Number(text) < 64 ? Number(text) : undefined;
  return NAMES.get(text.trim().toUpperCase());
}

/** A known name in its usual spelling, a number in quotes as a number, anything else as it is. */
export function usualDscp(value: string | number): string | number {
  if (typeof value === 'number') return value;
  const name = value.toUpperCase();
  if (NAMES.has(name)) return name;
  return /^[0-9]{1,2}$/.test(value) ? Number(value) : value;
}
