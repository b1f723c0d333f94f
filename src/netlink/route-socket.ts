/**
 * Requests to the kernel's network configuration, in one network namespace.
 *
 * `execute` sends many messages in few system calls and says of each what became of it: only errors and the last
 * message of a send are answered, so silence means done. A few cheap messages go inline (the kernel has answered before
 * the call returns); more go off the main thread, where the next send is encoded while the kernel works on this one.
 *
 * `dump` reads a table. The kernel tells when the table changed underneath (the dump is then repeated), and answers
 * some questions with an error inside the end of the dump.
 *
 * Unknown outcomes (lost answers, no answer) are thrown: the caller has to read the state back.
 */
import {type Clock, systemClock} from '../lib/clock.ts';
import {AgentError, hasCode} from '../lib/errors.ts';
import {type RetryPolicy, retry} from '../lib/retry.ts';
import {createBreather} from '../lib/yielding.ts';
import {type Addon, addon, type NetlinkReply, type NetlinkSocket} from '../native/addon.ts';
import {NLM_F, NLMSG} from './constants.ts';
import {DONE, EINVAL, netlinkError, type Outcome, readAnswer, refusal} from './kernel-answer.ts';
import {MessageCursor, malformed} from './message-reader.ts';
import {MessageWriter} from './message-writer.ts';
import {openRouteNetlink} from './open-route-netlink.ts';

/** Writes exactly one message. */
export type Encode<T> = (writer: MessageWriter, item: T) => void;

export interface ExecuteOptions {
  /** What the kernel needs for one item, about, in microseconds: decides what may run on the main thread. */
  readonly costUs: number;
  readonly signal?: AbortSignal | undefined;
  /** Sees what the kernel sends besides acknowledgements, with the index of the item it answers. */
  readonly onReply?: (message: MessageCursor, index: number) => void;
}

/** Work of at most this much stays on the main thread. */
const INLINE_BUDGET_US = 800;
/**
 * Large enough that the next send is ready long before the kernel is done with this one (10 ms of routes), small enough
 * that a caller who gives up is heard.
 */
const MAX_MESSAGES_PER_SEND = 4096;
const MAX_BYTES_PER_SEND = 512 * 1024;

/** A table that changes all the time is read again this often before the caller hears of it. */
const INTERRUPTED_DUMP: RetryPolicy = {
  firstDelayMs: 1,
  maxDelayMs: 50,
  maxAttempts: 12,
  isRetryable: (error) => hasCode(error, 'E_NETLINK_INTERRUPTED'),
};

export interface RouteSocketOptions {
  /** Descriptor of the namespace, needed only while the constructor runs; the process's own when absent. */
  readonly netnsFd?: number | undefined;
}

export interface RouteSocketDependencies {
  readonly addon?: Pick<Addon, 'openNetlink'>;
  readonly clock?: Clock;
}

export class RouteSocket implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #clock: Clock;
  /** For every send: the addon has taken its copy of a batch when the call returns. */
  readonly #writer = new MessageWriter();
  #nextSequence = 1;
  /** Sends off the main thread that are not answered yet: meanwhile nothing goes inline, to keep the order. */
  #sendsInFlight = 0;

  constructor(options: RouteSocketOptions = {}, dependencies: RouteSocketDependencies = {}) {
    this.#clock = dependencies.clock ?? systemClock;
    this.#socket = openRouteNetlink(dependencies.addon ?? addon(), options);
  }

  /** Idempotent. A request under way settles first. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sends one message per item and resolves to one outcome per item, in order. An item that cannot be encoded is
   * refused (EINVAL) without being sent and without harm to the others. Rejects when outcomes are unknown:
   * E_NETLINK_OVERRUN, E_NETLINK_MALFORMED, E_NETLINK (the socket failed), or the signal's reason between two sends.
   */
  async execute<T>(items: readonly T[], encode: Encode<T>, options: ExecuteOptions): Promise<readonly Outcome[]> {
    const outcomes = Array.from(items, () => DONE);
    let underWay: Promise<void> | undefined;
    for (let from = 0; from < items.length; ) {
      options.signal?.throwIfAborted();
      const send = this.#encodeSend(items, from, encode, outcomes);
      from = send.to;
      const settled = this.#answerOf(send, outcomes, options);
      // One send ahead: its failure is ours to report later, not an unhandled rejection now.
      settled.catch(() => undefined);
      await underWay;
      underWay = settled;
    }
    await underWay;
    return outcomes;
  }

  /**
   * Reads a table: `encode` writes the question, `decode` is called for each entry (undefined leaves it out). Always
   * off the main thread, and the decoding lets the event loop breathe. Rejects with E_NETLINK_INTERRUPTED when the
   * table kept changing, E_NETLINK_OVERRUN, E_NETLINK_MALFORMED, or E_NETLINK with the kernel's errno.
   */
  dump<T>(
    what: string,
    encode: (writer: MessageWriter) => void,
    decode: (message: MessageCursor) => T | undefined,
    signal?: AbortSignal,
  ): Promise<T[]> {
    return retry(() => this.#dumpOnce(what, encode, decode, signal), INTERRUPTED_DUMP, {clock: this.#clock, signal});
  }

  async #dumpOnce<T>(
    what: string,
    encode: (writer: MessageWriter) => void,
    decode: (message: MessageCursor) => T | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T[]> {
    const firstSequence = this.#beginSend();
    encode(this.#writer);
    const {data, overrun} = await this.#transact(false);
    if (overrun) throw overrunError(what);
    const message = new MessageCursor(data);
    const breather = createBreather({}, {clock: this.#clock});
    const entries: T[] = [];
    let interrupted = false;
    while (message.next()) {
      if (message.sequence !== firstSequence) continue;
      if ((message.flags & NLM_F.DUMP_INTR) !== 0) interrupted = true;
      if (message.type === NLMSG.DONE || message.type === NLMSG.ERROR) {
        const answer = readAnswer(message);
        if (!answer.ok) throw netlinkError(answer, `read ${what}`);
        if (interrupted) throw new AgentError('E_NETLINK_INTERRUPTED', `${what} changed while being read`, {what});
        return entries;
      }
      const entry = decode(message);
      if (entry !== undefined) entries.push(entry);
      if (breather.isDue()) await breather.breathe(signal);
    }
    throw malformed('a dump without an end', {what});
  }

  /** Encodes items from `from` on until a send is full. */
  #encodeSend<T>(items: readonly T[], from: number, encode: Encode<T>, outcomes: Outcome[]): Send {
    const firstSequence = this.#beginSend();
    const writer = this.#writer;
    /** Set only when items were left out: the item of each message. */
    let indexes: number[] | undefined;
    let to = from;
    while (to < items.length && writer.count < MAX_MESSAGES_PER_SEND && writer.byteLength < MAX_BYTES_PER_SEND) {
      const index = to++;
      try {
        encode(writer, items[index] as T);
        indexes?.push(index);
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        writer.rollback();
        outcomes[index] = refusal(EINVAL, error.message);
        indexes ??= Array.from({length: index - from}, (_, i) => from + i);
      }
    }
    return {firstSequence, count: writer.count, from, to, indexes};
  }

  async #answerOf(send: Send, outcomes: Outcome[], options: ExecuteOptions): Promise<void> {
    const {firstSequence, count, from, indexes} = send;
    if (count === 0) return;
    const inline = this.#sendsInFlight === 0 && outcomes.length * options.costUs <= INLINE_BUDGET_US;
    const {data, overrun} = await this.#transact(inline);
    if (overrun) throw overrunError('a batch of requests');
    const message = new MessageCursor(data);
    let answered = false;
    while (message.next()) {
      const position = message.sequence - firstSequence;
      if (position < 0 || position >= count) continue;
      const index = indexes?.[position] ?? from + position;
      if (message.type === NLMSG.ERROR) {
        outcomes[index] = readAnswer(message);
        answered ||= position === count - 1;
      } else options.onReply?.(message, index);
    }
    if (!answered) throw malformed('a request without an answer', {messages: count});
  }

  #beginSend(): number {
    this.#writer.reset(this.#nextSequence);
    return this.#nextSequence;
  }

  /** Takes what is written to the kernel. Until the first `await` nothing else may use the writer. */
  async #transact(inline: boolean): Promise<NetlinkReply> {
    const batch = this.#writer.finish();
    this.#nextSequence = nextSequence(this.#nextSequence, this.#writer.count);
    try {
      if (inline) return this.#socket.transact(batch);
      this.#sendsInFlight++;
      try {
        return await this.#socket.transactAsync(batch);
      } finally {
        this.#sendsInFlight--;
      }
    } catch (error) {
      throw new AgentError('E_NETLINK', 'the netlink socket failed', {bytes: batch.length}, error);
    }
  }
}

interface Send {
  readonly firstSequence: number;
  /** Messages, at most one per item. */
  readonly count: number;
  /** Items `from` to before `to`. */
  readonly from: number;
  readonly to: number;
  readonly indexes: number[] | undefined;
}

/** Sequence numbers are 32 bits; a batch never wraps around inside. */
function nextSequence(first: number, count: number): number {
  const next = first + count;
  return next > 0xffff_0000 ? 1 : next;
}

function overrunError(what: string): AgentError {
  return new AgentError('E_NETLINK_OVERRUN', `answers to ${what} were lost`, {what});
}
