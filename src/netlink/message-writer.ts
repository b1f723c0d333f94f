/**
 * Builds netlink messages, one after the other, in one growing buffer that is used again for the next batch: no object
 * and no copy per message.
 *
 *   writer.begin(RTM.NEWROUTE, NLM_F.CREATE); ...fields, attributes...; writer.end();
 *
 * Every message gets the next sequence number, so the answers of a batch find their message by subtraction. A message
 * whose encoding fails is taken back with `rollback` and leaves no trace.
 */
import {endianness} from 'node:os';

import {AgentError} from '../lib/errors.ts';
import {writeIpAt} from '../lib/ip-text.ts';
import {NLA_F_NESTED, NLM_F} from './constants.ts';

export const HEADER_BYTES = 16;
export const LITTLE_ENDIAN = endianness() === 'LE';

const INITIAL_BYTES = 16 * 1024;
/** Attribute values other than text are far below this; text is checked against the room left. */
const MARGIN_BYTES = 256;

export class MessageWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Start of the message that is being written. */
  #start = 0;
  /** Start of the last whole message. */
  #lastStart = 0;
  #count = 0;
  #firstSequence = 0;

  /** Forgets everything written; the next message has the sequence number given. */
  reset(firstSequence: number): void {
    this.#length = 0;
    this.#start = 0;
    this.#lastStart = 0;
    this.#count = 0;
    this.#firstSequence = firstSequence;
  }

  /** Whole messages written since `reset`. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#length;
  }

  /** Starts a message. NLM_F_REQUEST is added. */
  begin(type: number, flags: number): void {
    this.#reserve(HEADER_BYTES + MARGIN_BYTES);
    this.#start = this.#length;
    const at = this.#length;
    const view = this.#view;
    view.setUint16(at + 4, type, LITTLE_ENDIAN);
    view.setUint16(at + 6, flags | NLM_F.REQUEST, LITTLE_ENDIAN);
    view.setUint32(at + 8, this.#firstSequence + this.#count, LITTLE_ENDIAN);
    view.setUint32(at + 12, 0, LITTLE_ENDIAN);
    this.#length = at + HEADER_BYTES;
  }

  end(): void {
    this.#view.setUint32(this.#start, this.#length - this.#start, LITTLE_ENDIAN);
    this.#lastStart = this.#start;
    this.#count++;
  }

  /** Takes back the message begun last and not ended. */
  rollback(): void {
    this.#length = this.#start;
  }

  /** Everything written so far, valid until the next call of this writer. The last message asks for an answer. */
  finish(): Uint8Array {
    const flagsAt = this.#lastStart + 6;
    this.#view.setUint16(flagsAt, this.#view.getUint16(flagsAt, LITTLE_ENDIAN) | NLM_F.ACK, LITTLE_ENDIAN);
    return this.#bytes.subarray(0, this.#length);
  }

  // Fields of the fixed structure behind the header.

  u8(value: number): void {
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#length, value, LITTLE_ENDIAN);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#length, value, LITTLE_ENDIAN);
    this.#length += 4;
  }

  // Attributes: two bytes length, two bytes type, the value, padding to four bytes.

  attributeU8(type: number, value: number): void {
    const at = this.#attribute(type, 1);
    this.#bytes[at] = value;
  }

  attributeU16(type: number, value: number): void {
    const at = this.#attribute(type, 2);
    this.#view.setUint16(at, value, LITTLE_ENDIAN);
  }

  /** Network byte order, as ports are. */
  attributeU16Big(type: number, value: number): void {
    const at = this.#attribute(type, 2);
    this.#view.setUint16(at, value, false);
  }

  attributeU32(type: number, value: number): void {
    const at = this.#attribute(type, 4);
    this.#view.setUint32(at, value, LITTLE_ENDIAN);
  }

  /** Two 16-bit numbers in host order: a range of ports. */
  attributeRange16(type: number, start: number, end: number): void {
    const at = this.#attribute(type, 4);
    this.#view.setUint16(at, start, LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, end, LITTLE_ENDIAN);
  }

  /** Two 32-bit numbers in host order: a range of user ids. */
  attributeRange32(type: number, start: number, end: number): void {
    const at = this.#attribute(type, 8);
    this.#view.setUint32(at, start, LITTLE_ENDIAN);
    this.#view.setUint32(at + 4, end, LITTLE_ENDIAN);
  }

  /** Text with the closing zero byte the kernel expects. */
  attributeText(type: number, text: string): void {
    if (text.includes('\0'))
      throw new AgentError('E_NETLINK', 'text for the kernel must not contain a zero byte', {text});
    const value = new TextEncoder().encode(text);
    this.#reserve(value.length + MARGIN_BYTES);
    const at = this.#attribute(type, value.length + 1);
    this.#bytes.set(value, at);
    this.#bytes[at + value.length] = 0;
  }

  /** An address of 4 or 16 bytes; throws E_BAD_ADDRESS. */
  attributeIp(type: number, text: string): void {
    this.attributeIpPrefix(type, text, text.length);
  }

  /** The address in the first `length` characters of `text`: the part of a CIDR before its slash. */
  attributeIpPrefix(type: number, text: string, length: number): void {
    this.#reserve(MARGIN_BYTES);
    const size = writeIpAt(text, this.#bytes, this.#length + 4, length);
    if (size === 0) throw badAddress(text.slice(0, length));
    this.#header(type, size);
  }

  /** A hardware address written as `aa:bb:cc:dd:ee:ff`; throws E_BAD_ADDRESS. */
  attributeMac(type: number, text: string): void {
    if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text))
      throw new AgentError('E_BAD_ADDRESS', 'a hardware address must be six hexadecimal bytes', {
        value: text.slice(0, 64),
      });
    const at = this.#attribute(type, 6);
    for (let i = 0; i < 6; i++) this.#bytes[at + i] = Number.parseInt(text.slice(i * 3, i * 3 + 2), 16);
  }

  /** An RTA_VIA: an address with its own family in front. */
  attributeVia(type: number, af: number, text: string): void {
    this.#reserve(MARGIN_BYTES);
    const size = writeIpAt(text, this.#bytes, this.#length + 6);
    if (size === 0) throw badAddress(text);
    const at = this.#header(type, size + 2);
    this.#view.setUint16(at, af, LITTLE_ENDIAN);
  }

  /** Starts an attribute that holds attributes; give what it returns to `closeNested`. */
  openNested(type: number): number {
    const at = this.#length;
    this.#attribute(type | NLA_F_NESTED, 0);
    return at;
  }

  /** Starts a structure whose first two bytes are its length; give what it returns to `closeNested`. */
  openStructure(): number {
    this.#reserve(MARGIN_BYTES);
    return this.#length;
  }

  closeNested(at: number): void {
    this.#view.setUint16(at, this.#length - at, LITTLE_ENDIAN);
  }

  /** Makes room for an attribute, and returns where its value goes. */
  #attribute(type: number, valueBytes: number): number {
    this.#reserve(MARGIN_BYTES + valueBytes);
    return this.#header(type, valueBytes);
  }

  /** The attribute's header and zeroed padding, where there is room already and the value may be written already. */
  #header(type: number, valueBytes: number): number {
    const at = this.#length;
    this.#view.setUint16(at, valueBytes + 4, LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, type, LITTLE_ENDIAN);
    for (let pad = at + 4 + valueBytes; (pad & 3) !== 0; pad++) this.#bytes[pad] = 0;
    this.#length = at + 4 + ((valueBytes + 3) & ~3);
    return at + 4;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function badAddress(text: string): AgentError {
  return new AgentError('E_BAD_ADDRESS', `"${text.slice(0, 64)}" is not an IP address`, {value: text.slice(0, 64)});
}
