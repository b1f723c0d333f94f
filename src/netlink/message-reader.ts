/**
 * Walks netlink messages and their attributes by offset, without a copy. Whatever the bytes are, reading ends in a
 * value or in E_NETLINK_MALFORMED: every length is checked before it is used, so that no read leaves the buffer and no
 * message reaches into the next.
 */

import {AgentError} from '../lib/errors.ts';
import {formatIpAt} from '../lib/ip-text.ts';
import {NLA_TYPE_MASK} from './constants.ts';
import {HEADER_BYTES, LITTLE_ENDIAN} from './message-writer.ts';

const ATTRIBUTE_HEADER_BYTES = 4;

export function malformed(what: string, context: Readonly<Record<string, unknown>> = {}): AgentError {
  return new AgentError('E_NETLINK_MALFORMED', `malformed netlink data: ${what}`, context);
}

/** The messages of a buffer, one at a time: the fields describe the message that `next` moved to. */
export class MessageCursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  type = 0;
  flags = 0;
  sequence = 0;
  /** Start and end of what follows the header. */
  bodyStart = 0;
  bodyEnd = 0;
  #nextAt = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  next(): boolean {
    const at = this.#nextAt;
    const left = this.bytes.length - at;
    if (left <= 0) return false;
    if (left < HEADER_BYTES) throw malformed('header cut short', {at, left});
    const length = this.view.getUint32(at, LITTLE_ENDIAN);
    if (length < HEADER_BYTES || length > left) throw malformed('message length out of range', {at, length, left});
    this.type = this.view.getUint16(at + 4, LITTLE_ENDIAN);
    this.flags = this.view.getUint16(at + 6, LITTLE_ENDIAN);
    this.sequence = this.view.getUint32(at + 8, LITTLE_ENDIAN);
    this.bodyStart = at + HEADER_BYTES;
    this.bodyEnd = at + length;
    this.#nextAt = at + ((length + 3) & ~3);
    return true;
  }

  /** Offset of the fixed structure of `size` bytes that the body begins with. */
  structure(size: number): number {
    if (this.bodyEnd - this.bodyStart < size)
      throw malformed('message too short for its type', {type: this.type, size});
    return this.bodyStart;
  }

  /** The attributes behind a fixed structure of `size` bytes. */
  attributes(size: number): AttributeCursor {
    return new AttributeCursor(this.bytes, this.view, this.structure(size) + ((size + 3) & ~3), this.bodyEnd);
  }
}

/** The attributes of a range of bytes, one at a time: `type` and the readers are of the one that `next` moved to. */
export class AttributeCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #nextAt: number;
  #valueStart = 0;
  #valueLength = 0;
  type = 0;

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#nextAt = start;
    this.#end = end;
  }

  next(): boolean {
    const at = this.#nextAt;
    const left = this.#end - at;
    if (left <= 0) return false;
    if (left < ATTRIBUTE_HEADER_BYTES) throw malformed('attribute header cut short', {at, left});
    const length = this.#view.getUint16(at, LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_BYTES || length > left)
      throw malformed('attribute length out of range', {at, length, left});
    this.type = this.#view.getUint16(at + 2, LITTLE_ENDIAN) & NLA_TYPE_MASK;
    this.#valueStart = at + ATTRIBUTE_HEADER_BYTES;
    this.#valueLength = length - ATTRIBUTE_HEADER_BYTES;
    this.#nextAt = at + ((length + 3) & ~3);
    return true;
  }

  u8(): number {
    return this.#view.getUint8(this.#value(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#value(2), LITTLE_ENDIAN);
  }

  u16Big(): number {
    return this.#view.getUint16(this.#value(2), false);
  }

  u32(): number {
    return this.#view.getUint32(this.#value(4), LITTLE_ENDIAN);
  }

  i32(): number {
    return this.#view.getInt32(this.#value(4), LITTLE_ENDIAN);
  }

  /** Two 16-bit numbers. */
  range16(): readonly [number, number] {
    const at = this.#value(4);
    return [this.#view.getUint16(at, LITTLE_ENDIAN), this.#view.getUint16(at + 2, LITTLE_ENDIAN)];
  }

  /** Two 32-bit numbers. */
  range32(): readonly [number, number] {
    const at = this.#value(8);
    return [this.#view.getUint32(at, LITTLE_ENDIAN), this.#view.getUint32(at + 4, LITTLE_ENDIAN)];
  }

  /** An address of either family, by its length, as canonical text. */
  ip(): string {
    return this.#ip(0);
  }

  /** An RTA_VIA: two bytes of family, then the address. */
  via(): string {
    return this.#ip(2);
  }

  #ip(skip: number): string {
    const length = this.#valueLength - skip;
    if (length !== 4 && length !== 16) throw malformed('address length', {attribute: this.type, length});
    return formatIpAt(this.#bytes, this.#valueStart + skip, length === 4 ? 4 : 6);
  }

  /** A hardware address, `aa:bb:cc:dd:ee:ff`; undefined when the link has none or another kind of one. */
  mac(): string | undefined {
    if (this.#valueLength !== 6) return undefined;
    let text = '';
    for (let i = 0; i < 6; i++)
      text += (i === 0 ? '' : ':') + (this.#bytes[this.#valueStart + i] ?? 0).toString(16).padStart(2, '0');
    return text;
  }

  /** Text up to its zero byte, or to the end. */
  text(): string {
    const value = this.#bytes.subarray(this.#valueStart, this.#valueStart + this.#valueLength);
    const zero = value.indexOf(0);
    return TEXT.decode(zero < 0 ? value : value.subarray(0, zero));
  }

  /** The attributes inside this one, behind a fixed structure of `skip` bytes. */
  nested(skip = 0): AttributeCursor {
    if (this.#valueLength < skip) throw malformed('nested attribute too short', {attribute: this.type});
    return new AttributeCursor(this.#bytes, this.#view, this.#valueStart + skip, this.#valueStart + this.#valueLength);
  }

  /** Attributes somewhere inside the value, for structures that hold some. */
  range(start: number, end: number): AttributeCursor {
    return new AttributeCursor(this.#bytes, this.#view, start, end);
  }

  /** The value's bytes, for structures without a reader here: `view` from `valueStart` to before `valueEnd`. */
  get view(): DataView {
    return this.#view;
  }

  get valueStart(): number {
    return this.#valueStart;
  }

  get valueEnd(): number {
    return this.#valueStart + this.#valueLength;
  }

  #value(size: number): number {
    if (this.#valueLength < size) throw malformed('attribute too short', {attribute: this.type, size});
    return this.#valueStart;
  }
}

const TEXT = new TextDecoder();
