/** Ethernet addresses as people write them (colons, dashes, dots) in the one form we compare: lower case, colons. */

const SPELLING = /^(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2})$/;

/** Undefined when it is not six bytes. */
export function canonicalMac(text: string): string | undefined {
  const lower = text.toLowerCase();
  return SPELLING.test(lower)
    ? lower
        .replaceAll(/[^0-9a-f]/g, '')
        .match(/../g)
        ?.join(':')
    : undefined;
}
