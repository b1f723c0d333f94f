/**
 * What the kernel says to one message: done, or an error number with (since Linux 4.12) a sentence that explains it.
 * Plain data, because "already there" and "already gone" are ordinary answers; `netlinkError` makes the AgentError of
 * those that are not.
 */
import {constants} from 'node:os';
import {AgentError, type ErrorContext} from '../lib/errors.ts';
import {NLM_F, NLMSG, NLMSGERR_ATTR} from './constants.ts';
import {type MessageCursor, malformed} from './message-reader.ts';
import {HEADER_BYTES, LITTLE_ENDIAN} from './message-writer.ts';

export interface KernelRefusal {
  readonly ok: false;
  /** Positive. */
  readonly errno: number;
  /** `EEXIST`; `errno 999` when the number has no name. */
  readonly name: string;
  /** The kernel's explanation, when it gave one. */
  readonly message: string | undefined;
}

export type Outcome = {readonly ok: true} | KernelRefusal;

export const DONE: Outcome = {ok: true};

/** Error numbers that callers look for. */
export const {ENOENT, EEXIST, ENODEV, EINVAL, ESRCH, EADDRNOTAVAIL} = constants.errno;

export function refusal(errno: number, message?: string): KernelRefusal {
  return {ok: false, errno, name: nameOf(errno), message};
}

/** The AgentError of a refusal: `what` says what was asked ("add route"), `context` with which values. */
export function netlinkError(answer: KernelRefusal, what: string, context: ErrorContext = {}): AgentError {
  const because = answer.message === undefined ? answer.name : `${answer.name}: ${answer.message}`;
  return new AgentError('E_NETLINK', `cannot ${what}: ${because}`, {
    ...context,
    errno: answer.errno,
    errnoName: answer.name,
    kernelMessage: answer.message,
  });
}

/** Throws unless the kernel did what was asked. */
export function requireDone(answer: Outcome | undefined, what: string, context: ErrorContext = {}): void {
  if (answer === undefined) throw malformed('no answer', context);
  if (!answer.ok) throw netlinkError(answer, what, context);
}

/** Reads an NLMSG_ERROR, or the error number inside an NLMSG_DONE. */
export function readAnswer(message: MessageCursor): Outcome {
  const at = message.structure(4);
  const errno = -message.view.getInt32(at, LITTLE_ENDIAN);
  if (errno <= 0) return DONE;
  return refusal(errno, (message.flags & NLM_F.ACK_TLVS) === 0 ? undefined : explanation(message));
}

function explanation(message: MessageCursor): string | undefined {
  let before = 4;
  if (message.type === NLMSG.ERROR) {
    // The request is echoed in between: its header only, or all of it.
    const echoAt = message.structure(4 + HEADER_BYTES) + 4;
    const echoed = (message.flags & NLM_F.CAPPED) !== 0 ? HEADER_BYTES : message.view.getUint32(echoAt, LITTLE_ENDIAN);
    before += echoed;
  }
  const attributes = message.attributes(before);
  while (attributes.next()) if (attributes.type === NLMSGERR_ATTR.MSG) return attributes.text();
  return undefined;
}

/** The outcomes with refusals of these numbers counted as done: "already gone", "already there". */
export function tolerate(outcomes: readonly Outcome[], errnos: ReadonlySet<number>): readonly Outcome[] {
  return outcomes.map((outcome) => (!outcome.ok && errnos.has(outcome.errno) ? DONE : outcome));
}

/** True for an AgentError made of a refusal with this number. */
export function hasErrno(error: unknown, errno: number): boolean {
  return error instanceof AgentError && error.context.errno === errno;
}

/** os.constants has two names for some numbers; the first one listed here wins over its synonym. */
const PREFERRED = ['EAGAIN', 'EOPNOTSUPP', 'EDEADLK'];

let names: ReadonlyMap<number, string> | undefined;

function nameOf(errno: number): string {
  names ??= new Map(
    Object.entries(constants.errno)
      .sort(([a], [b]) => Number(PREFERRED.includes(a)) - Number(PREFERRED.includes(b)))
      .map(([name, number]) => [number, name]),
  );
  return names.get(errno) ?? `errno ${errno}`;
}
