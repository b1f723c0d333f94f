/**
 * A netlink socket that answers from a script: for what the kernel does only under load, or never.
 */
import type {Addon, NetlinkReply, NetlinkSocket} from '../../../../src/native/addon.ts';

/** One message as the kernel would send it. */
export interface Answer {
  readonly type: number;
  readonly flags?: number;
  readonly sequence: number;
  readonly body?: Uint8Array;
}

export interface SentMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export type Script = (
  messages: readonly SentMessage[],
  call: 'inline' | 'async',
) => Promise<NetlinkReply> | NetlinkReply;

export class FakeNetlink implements NetlinkSocket {
  readonly portId = 1;
  readonly sends: {readonly call: 'inline' | 'async'; readonly messages: readonly SentMessage[]}[] = [];
  readonly #script: Script;
  closed = false;

  constructor(script: Script) {
    this.#script = script;
  }

  get addon(): Pick<Addon, 'openNetlink'> {
    return {openNetlink: () => this};
  }

  transact(batch: Uint8Array): NetlinkReply {
    const reply = this.#answer(batch, 'inline');
    if (reply instanceof Promise) throw new Error('this script answers later');
    return reply;
  }

  async transactAsync(batch: Uint8Array): Promise<NetlinkReply> {
    return this.#answer(batch, 'async');
  }

  #answer(batch: Uint8Array, call: 'inline' | 'async'): Promise<NetlinkReply> | NetlinkReply {
    const messages = messagesOf(Uint8Array.from(batch));
    this.sends.push({call, messages});
    return this.#script(messages, call);
  }

  listen(): void {}

  close(): void {
    this.closed = true;
  }
}

export function messagesOf(batch: Uint8Array): SentMessage[] {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const messages: SentMessage[] = [];
  for (let at = 0; at < batch.length; ) {
    const length = view.getUint32(at, true);
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      bytes: batch.subarray(at, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

export function replyOf(answers: readonly Answer[], overrun = false): NetlinkReply {
  const parts = answers.map(({type, flags = 0, sequence, body = new Uint8Array()}) => {
    const bytes = new Uint8Array(16 + ((body.length + 3) & ~3));
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 16 + body.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, sequence, true);
    bytes.set(body, 16);
    return bytes;
  });
  return {data: Buffer.concat(parts), overrun};
}

/** The body of an error (0 acknowledges) with the request's header, and the kernel's explanation. */
export function errorBody(errno: number, message?: string): Uint8Array {
  const text = message === undefined ? new Uint8Array() : new TextEncoder().encode(`${message}\0`);
  const bytes = new Uint8Array(20 + (message === undefined ? 0 : 4 + ((text.length + 3) & ~3)));
  const view = new DataView(bytes.buffer);
  view.setInt32(0, -errno, true);
  view.setUint32(4, 16, true);
  if (message !== undefined) {
    view.setUint16(20, 4 + text.length, true);
    view.setUint16(22, 1, true);
    bytes.set(text, 24);
  }
  return bytes;
}
