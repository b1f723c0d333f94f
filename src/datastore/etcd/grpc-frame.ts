/**
 * gRPC's framing of messages on a stream, and its status in headers and trailers: each message is one byte of flags,
 * four bytes of length, and the message.
 */
import type {IncomingHttpHeaders} from 'node:http2';
import {answered, lost, RpcError, STATUS} from './rpc-error.ts';

const HEAD_BYTES = 5;
const FLAG_COMPRESSED = 1;

/** The message as it goes on the wire. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** An answer that is larger than we take; asking for less of it helps. */
export class MessageTooLarge extends RpcError {
  constructor(bytes: number, limit: number) {
    super(STATUS.resourceExhausted, `a message of ${bytes} bytes is larger than max (${limit})`, {mayHaveActed: true});
    this.name = 'MessageTooLarge';
  }
}

/** Puts messages together from the pieces in which they arrive. */
export class FrameReader {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes of head and message that are complete next; the head alone while it is not known. */
  #wanted = HEAD_BYTES;
  #isHeadRead = false;

  constructor(options: {readonly maxBytes: number}) {
    this.#maxBytes = options.maxBytes;
  }

  /** True between messages. */
  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** Takes a piece and gives the messages it completes. Throws when the peer does not keep to the format. */
  push(piece: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    this.#pieces.push(piece);
    this.#held += piece.length;
    while (this.#held >= this.#wanted) {
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] ?? piece) : Buffer.concat(this.#pieces, this.#held);
      this.#pieces = [bytes];
      if (!this.#isHeadRead) {
        this.#readHead(bytes);
        continue;
      }
      messages.push(bytes.subarray(HEAD_BYTES, this.#wanted));
      const rest = bytes.subarray(this.#wanted);
      this.#pieces = rest.length === 0 ? [] : [rest];
      this.#held = rest.length;
      this.#wanted = HEAD_BYTES;
      this.#isHeadRead = false;
    }
    return messages;
  }

  #readHead(bytes: Buffer): void {
    if (bytes[0] === FLAG_COMPRESSED) throw lost('the server compresses although it was not asked to', true);
    const length = bytes.readUInt32BE(1);
    if (length > this.#maxBytes) throw new MessageTooLarge(length, this.#maxBytes);
    this.#isHeadRead = true;
    this.#wanted = HEAD_BYTES + length;
  }
}

/** The status that headers or trailers carry: undefined when none, null when it is success. */
export function statusOf(headers: IncomingHttpHeaders): RpcError | null | undefined {
  const text = headers['grpc-status'];
  if (text === undefined) return undefined;
  const status = Number(text);
  if (status === STATUS.ok) return null;
  const message = headers['grpc-message'];
  return answered(status, typeof message === 'string' ? decodeMessage(message) : `status ${status}`);
}

/** Of an answer of HTTP. */
interface AnswerHead {
  readonly ':status'?: number | undefined;
  readonly 'content-type'?: string | undefined;
}

/** Undefined when the headers are those of a gRPC answer. */
export function refusalOf(headers: AnswerHead): RpcError | undefined {
  const {':status': status, 'content-type': type} = headers;
  if (status === 200 && type?.startsWith('application/grpc')) return undefined;
  return lost(`this is no etcd v3 server: it answered HTTP ${status}, ${type ?? 'no content type'}`, true);
}

/** Percent-encoded; what is not stays as it is. */
function decodeMessage(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
