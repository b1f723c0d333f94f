/**
 * The wire format of protocol buffers, as far as etcd's messages need it: variable-length integers, byte strings and
 * embedded messages. Reading goes field by field over the received bytes without copying them.
 *
 * What is not well-formed is a MalformedMessage, never an endless loop or a read past the end.
 */

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/** Seven groups of seven bits are exact as a number; the rest of 64 bits needs a bigint. */
const EXACT_GROUPS = 7;
const MAX_GROUPS = 10;

export class MalformedMessage extends Error {
  constructor(reason: string) {
    super(`malformed message: ${reason}`);
    this.name = 'MalformedMessage';
  }
}

/** Builds a message; fields with the default value are left out, as the format has it. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  int64(field: number, value: bigint | number): this {
    const bits = BigInt.asUintN(64, BigInt(value));
    return bits === 0n ? this : this.#varint(BigInt(field * 8 + WIRE_VARINT)).#varint(bits);
  }

  bool(field: number, value: boolean): this {
    return this.int64(field, value ? 1 : 0);
  }

  /** Left out when empty, unless `isPresent`: a member of a oneof, or an element of a list, is there although empty. */
  bytes(field: number, value: Uint8Array, isPresent = false): this {
    if (value.length === 0 && !isPresent) return this;
    this.#varint(BigInt(field * 8 + WIRE_BYTES)).#varint(BigInt(value.length));
    this.#parts.push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  message(field: number, message: ProtoWriter): this {
    return this.bytes(field, message.finish(), true);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #varint(value: bigint): this {
    const groups: number[] = [];
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) groups.push(Number(rest & 0x7fn) | 0x80);
    groups.push(Number(rest));
    this.#parts.push(Uint8Array.from(groups));
    return this;
  }
}

/**
 * Walks the fields of one message:
 *
 *   for (let field = reader.next(); field !== 0; field = reader.next()) {
 *     if (field === 1) key = reader.bytes();
 *     else reader.skip();
 *   }
 */
export class ProtoReader {
  readonly #buffer: Buffer;
  #position = 0;
  #wire = WIRE_VARINT;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** Number of the next field, 0 at the end. */
  next(): number {
    if (this.#position === this.#buffer.length) return 0;
    const tag = this.#varint();
    if (tag >= 2 ** 32) throw new MalformedMessage(`field tag ${tag}`);
    this.#wire = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0) throw new MalformedMessage('field number 0');
    return field;
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.#uint64());
  }

  uint64(): bigint {
    return BigInt.asUintN(64, this.#uint64());
  }

  bool(): boolean {
    return this.#uint64() !== 0n;
  }

  /** A view of the received bytes, no copy. */
  bytes(): Buffer {
    this.#expect(WIRE_BYTES);
    const length = this.#varint();
    const start = this.#position;
    this.#advance(length);
    return this.#buffer.subarray(start, this.#position);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  message(): ProtoReader {
    return new ProtoReader(this.bytes());
  }

  skip(): void {
    switch (this.#wire) {
      case WIRE_VARINT:
        this.#uint64();
        return;
      case WIRE_FIXED64:
        this.#advance(8);
        return;
      case WIRE_BYTES:
        this.#advance(this.#varint());
        return;
      case WIRE_FIXED32:
        this.#advance(4);
        return;
      default:
        throw new MalformedMessage(`wire type ${this.#wire}`);
    }
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw new MalformedMessage(`wire type ${this.#wire}, expected ${wire}`);
  }

  #advance(length: number): void {
    if (length > this.#buffer.length - this.#position) throw new MalformedMessage('it ends in the middle of a field');
    this.#position += length;
  }

  #uint64(): bigint {
    this.#expect(WIRE_VARINT);
    let low = 0;
    let high = 0;
    for (let group = 0; group < MAX_GROUPS; group++) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (group < EXACT_GROUPS) low += bits * 2 ** (7 * group);
      else high += bits * 2 ** (7 * (group - EXACT_GROUPS));
      if (byte < 0x80) return high === 0 ? BigInt(low) : (BigInt(high) << 49n) + BigInt(low);
    }
    throw new MalformedMessage('an integer of more than 64 bits');
  }

  /** A tag or a length: a number will do, and is what there are most of. */
  #varint(): number {
    let value = 0;
    for (let group = 0; group < EXACT_GROUPS; group++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** (7 * group);
      if (byte < 0x80) return value;
    }
    throw new MalformedMessage('a tag or length beyond all bounds');
  }

  #byte(): number {
    const byte = this.#buffer[this.#position++];
    if (byte === undefined) throw new MalformedMessage('it ends in the middle of an integer');
    return byte;
  }
}
