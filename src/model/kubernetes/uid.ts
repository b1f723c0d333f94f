/**
 * UIDs of what Calico derives from a Kubernetes object, so that two objects never share one: the bits of each byte in
 * reverse, but for the two bytes that hold version and variant. Doing it twice gives the first UID back.
 */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const KEPT_BYTES = new Set([6, 8]);

/** Undefined when it is not a UUID. */
export function convertUid(uid: string): string | undefined {
  if (!UUID.test(uid)) return undefined;
  const bytes = Buffer.from(uid.replaceAll('-', ''), 'hex');
  const hex = Buffer.from(bytes.map((byte, i) => (KEPT_BYTES.has(i) ? byte : reverseBits(byte)))).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function reverseBits(byte: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((byte >> bit) & 1) << (7 - bit);
  return reversed;
}
