/**
 * A second, naive reader of netlink messages, so that what we write is not judged by our own reader: the structure's
 * bytes as hex, and the attributes as a sorted list (their order means nothing to the kernel).
 */
export interface Dissected {
  readonly type: number;
  readonly flags: number;
  readonly structure: string;
  readonly attributes: readonly string[];
}

/** By the path of an attribute that holds others: size of the structure before them. */
const NESTED = {
  veth: new Map([
    ['18', 0],
    ['18.2', 0],
    ['18.2.1', 16],
  ]),
  vxlan: new Map([
    ['18', 0],
    ['18.2', 0],
  ]),
  route: new Map([['8', 0]]),
  flat: new Map<string, number>(),
};

export function dissect(bytes: Uint8Array, structureBytes: number, kind: keyof typeof NESTED): Dissected {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== bytes.length) throw new Error('length of the message');
  return {
    type: view.getUint16(4, true),
    // Without ACK: who asks for one is a matter of batching.
    flags: view.getUint16(6, true) & ~0x4,
    structure: hex(bytes.subarray(16, 16 + structureBytes)),
    attributes: attributesOf(bytes.subarray(16 + structureBytes), '', NESTED[kind]),
  };
}

function attributesOf(bytes: Uint8Array, path: string, nested: ReadonlyMap<string, number>): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) throw new Error(`attribute at ${path}${at}`);
    const type = view.getUint16(at + 2, true) & 0x3fff;
    const value = bytes.subarray(at + 4, at + length);
    const name = `${path}${type}`;
    const skip = nested.get(name);
    if (skip === undefined) found.push(`${name}=${hex(trimText(name, value))}`);
    else {
      if (skip > 0) found.push(`${name}:${hex(value.subarray(0, skip))}`);
      found.push(...attributesOf(value.subarray(skip), `${name}.`, nested));
    }
    at += (length + 3) & ~3;
  }
  return found.sort();
}

/** The kind's name may or may not have its zero byte. */
const trimText = (name: string, value: Uint8Array): Uint8Array =>
  name === '18.1' && value.at(-1) === 0 ? value.subarray(0, -1) : value;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));
