/**
 * The frames that the CNI plugin (native/shim) and the agent exchange, as values: docs/operations/cni-shim-protocol.md.
 * Pure. The numbers are those of native/shim/protocol.h; a test compares the two.
 *
 * Whatever arrives is checked completely before anyone sees it: a frame that is not exactly as specified, a field that
 * is unknown or there twice, a length beyond its limit is E_SHIM_PROTOCOL, and the connection is of no more use.
 * Only magic and version keep their place in every version, so a peer of another version is named as such.
 */
import {AgentError} from '../lib/errors.ts';

export const MAGIC = 0x43434e49;
export const VERSION = 1;
export const HEADER_SIZE = 12;
export const FIELD_HEADER_SIZE = 6;

export const LIMITS = {
  /** Bytes after the header; with it 1 MiB. */
  MAX_PAYLOAD: 1048564,
  MAX_STDIN: 917504,
  /** All variables of a request together. */
  MAX_ENVIRONMENT: 65536,
  /** Each of stdout and stderr. */
  MAX_DELEGATE_OUTPUT: 262144,
  /** Per request. */
  MAX_DELEGATES: 8,
  MAX_DELEGATE_MS: 60000,
} as const;

export const FRAME = {REQUEST: 1, RESULT: 2, DELEGATE: 3, DELEGATED: 4} as const;

export const FIELD = {
  PROGRAM: 1,
  ENVIRONMENT: 2,
  STDIN: 3,
  NETNS: 4,
  ARGUMENT: 5,
  EXIT_CODE: 6,
  STDOUT: 7,
  STDERR: 8,
  TIME_LIMIT: 9,
  OUTCOME: 10,
  CODE: 11,
} as const;

export const OUTCOME = {EXITED: 1, SIGNALLED: 2, TIMED_OUT: 3, NOT_STARTED: 4, TOO_LONG: 5} as const;

export type Program = 'calico' | 'calico-ipam';

/** What became of CNI_NETNS: not set or empty; opened, the descriptor came with the frame; or why it cannot be opened. */
export type NetnsState =
  | {readonly kind: 'absent'}
  | {readonly kind: 'attached'}
  | {readonly kind: 'failed'; readonly errno: number};

/** Plugin to agent, the first frame of a connection and the only one that carries a descriptor. */
export interface ShimRequest {
  readonly kind: 'request';
  readonly program: Program;
  /** `-t`: the connection test, not a CNI call. */
  readonly argument?: '-t';
  /** The CNI_ variables that are set; one that is set to nothing is there and empty. */
  readonly environment: ReadonlyMap<string, string>;
  readonly stdin: Uint8Array;
  readonly netns: NetnsState;
}

/** Agent to plugin, the last frame. */
export interface ShimResult {
  readonly kind: 'result';
  /** 0 to 255 */
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** Agent to plugin: run this program of CNI_PATH, then go on waiting. */
export interface DelegateOrder {
  readonly kind: 'delegate';
  /** A file name without folder. */
  readonly program: string;
  /** Replaces or adds variables, whose names begin with CNI_; all others are the plugin's own. */
  readonly environment: ReadonlyMap<string, string>;
  readonly stdin: Uint8Array;
  /** 1 to MAX_DELEGATE_MS; the limit of the whole call ends it too. */
  readonly timeLimitMs: number;
}

export type DelegateOutcome =
  | {readonly kind: 'exited'; readonly exitCode: number}
  | {readonly kind: 'signalled'; readonly signal: number}
  | {readonly kind: 'timed-out'}
  /** ENOENT (2): no folder of CNI_PATH has an executable file of that name. */
  | {readonly kind: 'not-started'; readonly errno: number}
  | {readonly kind: 'output-too-long'};

/** Plugin to agent, the answer to a DelegateOrder. */
export interface DelegateReport {
  readonly kind: 'delegated';
  readonly outcome: DelegateOutcome;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export type Frame = ShimRequest | ShimResult | DelegateOrder | DelegateReport;

/* ------------------------------------------------------------------------------------------------- encoding */

type Field = readonly [tag: number, data: Uint8Array];

const utf8 = new TextEncoder();

/** The bytes of a frame. Throws E_SHIM_PROTOCOL when it is beyond a limit, because the peer would refuse it. */
export function encodeFrame(frame: Frame): Uint8Array {
  const fields = fieldsOf(frame);
  const size = fields.reduce((sum, [, data]) => sum + FIELD_HEADER_SIZE + data.length, 0);
  if (size > LIMITS.MAX_PAYLOAD) throw refusal('the frame is too long', {size});
  const bytes = new Uint8Array(HEADER_SIZE + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint16(4, VERSION);
  view.setUint16(6, typeOf(frame));
  view.setUint32(8, size);
  let at = HEADER_SIZE;
  for (const [tag, data] of fields) {
    view.setUint16(at, tag);
    view.setUint32(at + 2, data.length);
    bytes.set(data, at + FIELD_HEADER_SIZE);
    at += FIELD_HEADER_SIZE + data.length;
  }
  return bytes;
}

function typeOf(frame: Frame): number {
  switch (frame.kind) {
    case 'request':
      return FRAME.REQUEST;
    case 'result':
      return FRAME.RESULT;
    case 'delegate':
      return FRAME.DELEGATE;
    case 'delegated':
      return FRAME.DELEGATED;
  }
}

function fieldsOf(frame: Frame): Field[] {
  switch (frame.kind) {
    case 'request':
      return [
        text(FIELD.PROGRAM, frame.program),
        ...(frame.argument === undefined ? [] : [text(FIELD.ARGUMENT, frame.argument)]),
        ...variables(frame.environment),
        ...(frame.netns.kind === 'absent'
          ? []
          : [number(FIELD.NETNS, frame.netns.kind === 'failed' ? frame.netns.errno : 0)]),
        [FIELD.STDIN, frame.stdin],
      ];
    case 'result':
      return [number(FIELD.EXIT_CODE, frame.exitCode), [FIELD.STDOUT, frame.stdout], [FIELD.STDERR, frame.stderr]];
    case 'delegate':
      return [
        text(FIELD.PROGRAM, frame.program),
        ...variables(frame.environment),
        [FIELD.STDIN, frame.stdin],
        number(FIELD.TIME_LIMIT, frame.timeLimitMs),
      ];
    case 'delegated':
      return [...outcomeFields(frame.outcome), [FIELD.STDOUT, frame.stdout], [FIELD.STDERR, frame.stderr]];
  }
}

function outcomeFields(outcome: DelegateOutcome): Field[] {
  const pair = (value: number, code: number): Field[] => [number(FIELD.OUTCOME, value), number(FIELD.CODE, code)];
  switch (outcome.kind) {
    case 'exited':
      return pair(OUTCOME.EXITED, outcome.exitCode);
    case 'signalled':
      return pair(OUTCOME.SIGNALLED, outcome.signal);
    case 'timed-out':
      return pair(OUTCOME.TIMED_OUT, 0);
    case 'not-started':
      return pair(OUTCOME.NOT_STARTED, outcome.errno);
    case 'output-too-long':
      return pair(OUTCOME.TOO_LONG, 0);
  }
}

function text(tag: number, value: string): Field {
  return [tag, utf8.encode(value)];
}

function number(tag: number, value: number): Field {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value);
  return [tag, data];
}

function variables(environment: ReadonlyMap<string, string>): Field[] {
  return Array.from(environment, ([name, value]) => text(FIELD.ENVIRONMENT, `${name}=${value}`));
}

/* ------------------------------------------------------------------------------------------------- decoding */

/**
 * Frames out of a stream. `push` what arrives, then take frames with `next` until it is undefined. Holds at most one
 * frame and what came behind it, never more than MAX_PAYLOAD + HEADER_SIZE bytes; both methods throw E_SHIM_PROTOCOL.
 */
export class FrameDecoder {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #header: {readonly type: number; readonly length: number} | undefined;

  /** Bytes of a frame that is not complete: not 0 at the end of the stream means that it broke off. */
  get pendingBytes(): number {
    return this.#size;
  }

  push(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > HEADER_SIZE + LIMITS.MAX_PAYLOAD) throw refusal('more was sent than a frame may have', {});
    this.#chunks.push(chunk);
  }

  next(): Frame | undefined {
    if (this.#header === undefined) {
      if (this.#size < HEADER_SIZE) return undefined;
      this.#header = readHeader(this.#joined());
    }
    const end = HEADER_SIZE + this.#header.length;
    if (this.#size < end) return undefined;
    const bytes = this.#joined();
    const {type} = this.#header;
    this.#chunks = [bytes.subarray(end)];
    this.#size -= end;
    this.#header = undefined;
    return readFrame(type, bytes.subarray(HEADER_SIZE, end));
  }

  /** Everything held, in one piece. */
  #joined(): Uint8Array {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [bytes];
    return bytes;
  }
}

function readHeader(bytes: Uint8Array): {type: number; length: number} {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const version = view.getUint16(4);
  const type = view.getUint16(6);
  const length = view.getUint32(8);
  if (magic !== MAGIC) throw refusal('this is not the CNI plugin', {magic});
  if (version !== VERSION) throw refusal('the peer speaks another version of the protocol', {version, own: VERSION});
  if (length > LIMITS.MAX_PAYLOAD) throw refusal('the frame is too long', {length});
  return {type, length};
}

function readFrame(type: number, payload: Uint8Array): Frame {
  const fields = new FieldReader(payload);
  const frame = frameOf(type, fields);
  fields.finish();
  return frame;
}

function frameOf(type: number, fields: FieldReader): Frame {
  switch (type) {
    case FRAME.REQUEST:
      return readRequest(fields);
    case FRAME.RESULT:
      return {
        kind: 'result',
        exitCode: fields.number(FIELD.EXIT_CODE, 255),
        stdout: fields.bytes(FIELD.STDOUT),
        stderr: fields.bytes(FIELD.STDERR),
      };
    case FRAME.DELEGATE:
      return {
        kind: 'delegate',
        program: fields.text(FIELD.PROGRAM),
        environment: fields.environment(),
        stdin: fields.bytes(FIELD.STDIN),
        timeLimitMs: fields.number(FIELD.TIME_LIMIT, LIMITS.MAX_DELEGATE_MS),
      };
    case FRAME.DELEGATED:
      return {
        kind: 'delegated',
        outcome: readOutcome(fields),
        stdout: fields.bytes(FIELD.STDOUT, LIMITS.MAX_DELEGATE_OUTPUT),
        stderr: fields.bytes(FIELD.STDERR, LIMITS.MAX_DELEGATE_OUTPUT),
      };
    default:
      throw refusal('unknown type of frame', {type});
  }
}

function readRequest(fields: FieldReader): ShimRequest {
  const program = fields.text(FIELD.PROGRAM);
  if (program !== 'calico' && program !== 'calico-ipam') throw refusal('unknown program', {program});
  const argument = fields.has(FIELD.ARGUMENT) ? fields.text(FIELD.ARGUMENT) : undefined;
  if (argument !== undefined && argument !== '-t') throw refusal('unknown argument', {argument});
  return {
    kind: 'request',
    program,
    ...(argument === undefined ? {} : {argument}),
    environment: fields.environment(),
    netns: readNetns(fields),
    stdin: fields.bytes(FIELD.STDIN, LIMITS.MAX_STDIN),
  };
}

function readNetns(fields: FieldReader): NetnsState {
  if (!fields.has(FIELD.NETNS)) return {kind: 'absent'};
  const errno = fields.number(FIELD.NETNS, MAX_ERRNO);
  return errno === 0 ? {kind: 'attached'} : {kind: 'failed', errno};
}

function readOutcome(fields: FieldReader): DelegateOutcome {
  const outcome = fields.number(FIELD.OUTCOME);
  const code = fields.number(FIELD.CODE, MAX_ERRNO);
  switch (outcome) {
    case OUTCOME.EXITED:
      return {kind: 'exited', exitCode: code};
    case OUTCOME.SIGNALLED:
      return {kind: 'signalled', signal: code};
    case OUTCOME.TIMED_OUT:
      return {kind: 'timed-out'};
    case OUTCOME.NOT_STARTED:
      return {kind: 'not-started', errno: code};
    case OUTCOME.TOO_LONG:
      return {kind: 'output-too-long'};
    default:
      throw refusal('unknown outcome of a delegate', {outcome});
  }
}

/** Error numbers of the kernel end here. */
const MAX_ERRNO = 4095;
const MAX_VARIABLES = 16;

/** The fields of one payload. Each is taken once; `finish` refuses what nobody took. */
class FieldReader {
  readonly #values = new Map<number, Uint8Array[]>();

  constructor(payload: Uint8Array) {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    for (let at = 0; at < payload.length; ) {
      if (payload.length - at < FIELD_HEADER_SIZE) throw refusal('a field breaks off', {at});
      const tag = view.getUint16(at);
      const size = view.getUint32(at + 2);
      at += FIELD_HEADER_SIZE;
      if (size > payload.length - at) throw refusal('a field is longer than its frame', {tag, size});
      const values = this.#values.get(tag) ?? [];
      this.#values.set(tag, values);
      values.push(payload.subarray(at, at + size));
      at += size;
    }
  }

  has(tag: number): boolean {
    return this.#values.has(tag);
  }

  bytes(tag: number, limit: number = LIMITS.MAX_PAYLOAD): Uint8Array {
    const values = this.#values.get(tag) ?? [];
    this.#values.delete(tag);
    const [value] = values;
    if (value === undefined || values.length > 1)
      throw refusal('a field must be there once', {tag, count: values.length});
    if (value.length > limit) throw refusal('a field is too long', {tag, size: value.length, limit});
    return value;
  }

  number(tag: number, limit = 0xffffffff): number {
    const data = this.bytes(tag);
    if (data.length !== 4) throw refusal('a number has four bytes', {tag, size: data.length});
    const value = new DataView(data.buffer, data.byteOffset, 4).getUint32(0);
    if (value > limit) throw refusal('a number is too large', {tag, value, limit});
    return value;
  }

  text(tag: number): string {
    return decodeText(tag, this.bytes(tag));
  }

  environment(): ReadonlyMap<string, string> {
    const entries = this.#values.get(FIELD.ENVIRONMENT) ?? [];
    this.#values.delete(FIELD.ENVIRONMENT);
    const size = entries.reduce((sum, entry) => sum + entry.length, 0);
    if (size > LIMITS.MAX_ENVIRONMENT || entries.length > MAX_VARIABLES) throw refusal('too many variables', {size});
    const environment = new Map<string, string>();
    for (const entry of entries) {
      const line = decodeText(FIELD.ENVIRONMENT, entry);
      const split = line.indexOf('=');
      const name = line.slice(0, Math.max(split, 0));
      if (!/^CNI_[A-Z]+$/.test(name) || environment.has(name)) throw refusal('a variable is not as it must be', {name});
      environment.set(name, line.slice(split + 1));
    }
    return environment;
  }

  finish(): void {
    const [tag] = this.#values.keys();
    if (tag !== undefined) throw refusal('a field does not belong to this frame', {tag});
  }
}

/** Other bytes are refused rather than replaced: two names must not become one. */
function decodeText(tag: number, data: Uint8Array): string {
  let value: string;
  try {
    value = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(data);
  } catch (error) {
    throw refusal('a text is not UTF-8', {tag}, error);
  }
  if (value.includes('\0')) throw refusal('a text has a NUL', {tag});
  return value;
}

function refusal(message: string, context: Readonly<Record<string, unknown>>, cause?: unknown): AgentError {
  return new AgentError('E_SHIM_PROTOCOL', message, context, cause);
}
