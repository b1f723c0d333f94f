/** Raw netlink messages, written and read without src/netlink: the addon is tested on its own. */

export const NLM_F = {REQUEST: 1, ACK: 4, DUMP_INTR: 0x10, DUMP: 0x300, CREATE: 0x400, EXCL: 0x200};
export const NLMSG = {ERROR: 2, DONE: 3};
export const RTM = {NEWLINK: 16, DELLINK: 17, GETLINK: 18, NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26};

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export function message(type: number, flags: number, sequence: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body, Buffer.alloc(-body.length & 3)]);
}

export function attribute(type: number, value: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)]);
}

export function messages(data: Uint8Array): Message[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const found: Message[] = [];
  for (let at = 0; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    found.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + 16, at + length),
    });
    at += (length + 3) & ~3;
  }
  return found;
}

/** The error numbers (0: done) of the acknowledgements, by sequence number. */
export function answers(data: Uint8Array): Map<number, number> {
  const errors = messages(data).filter((one) => one.type === NLMSG.ERROR);
  return new Map(errors.map((one) => [one.sequence, -one.body.readInt32LE(0)]));
}

export const dumpLinks = (sequence: number): Buffer =>
  message(RTM.GETLINK, NLM_F.REQUEST | NLM_F.DUMP, sequence, Buffer.alloc(16));

export function linkNames(data: Uint8Array): string[] {
  return messages(data)
    .filter((one) => one.type === RTM.NEWLINK)
    .map((one) => {
      for (let at = 16; at + 4 <= one.body.length; at += (one.body.readUInt16LE(at) + 3) & ~3) {
        if (one.body.readUInt16LE(at + 2) !== 3) continue;
        return one.body.toString('utf8', at + 4, at + one.body.readUInt16LE(at) - 1);
      }
      return '';
    });
}

/** A blackhole route to 10.a.b.c/32: needs no link. */
export function blackhole(type: number, flags: number, sequence: number, number: number): Buffer {
  const header = Buffer.from([2, 32, 0, 0, 254, 200, 0, 6, 0, 0, 0, 0]);
  const address = Buffer.from([10, (number >> 16) & 255, (number >> 8) & 255, number & 255]);
  return message(type, NLM_F.REQUEST | flags, sequence, header, attribute(1, address));
}

export const addRoute = (sequence: number, number: number): Buffer =>
  blackhole(RTM.NEWROUTE, NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL, sequence, number);
export const deleteRoute = (sequence: number, number: number): Buffer =>
  blackhole(RTM.DELROUTE, NLM_F.ACK, sequence, number);
export const dumpRoutes = (sequence: number): Buffer =>
  message(RTM.GETROUTE, NLM_F.REQUEST | NLM_F.DUMP, sequence, Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));

export const countRoutes = (data: Uint8Array): number =>
  messages(data).filter((one) => one.type === RTM.NEWROUTE && one.body[5] === 200).length;
