/**
 * How a remote call ends when it does not succeed, in gRPC's terms, and what that means to a caller of the store.
 *
 * Two questions decide what happens next: can the call have had an effect (then nobody may repeat it blindly), and would
 * another member answer better.
 */
import {AgentError, type ErrorCode} from '../../lib/errors.ts';

/** gRPC status codes that matter here. */
export const STATUS = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export class RpcError extends Error {
  /** gRPC status; `unavailable` also for a connection that broke. */
  readonly status: number;
  /** False when the server certainly did nothing. */
  readonly mayHaveActed: boolean;

  constructor(status: number, message: string, options: {readonly mayHaveActed: boolean}, cause?: unknown) {
    super(message, cause === undefined ? undefined : {cause});
    this.name = 'RpcError';
    this.status = status;
    this.mayHaveActed = options.mayHaveActed;
  }
}

/** The connection broke, or could not take the call. */
export function lost(message: string, mayHaveActed: boolean, cause?: unknown): RpcError {
  return new RpcError(STATUS.unavailable, message, {mayHaveActed}, cause);
}

/** What the server answered. */
export function answered(status: number, message: string): RpcError {
  // Turned away before it was passed on: by a member without a leader, or one with too much to do (which etcd 3.4 calls
  // an unknown error).
  if (/no leader|too many requests/.test(message)) return lost(message, false);
  return new RpcError(status, message, {mayHaveActed: !REFUSALS.has(status)});
}

/** Answers that say that nothing was done; any other leaves it open. */
const REFUSALS: ReadonlySet<number> = new Set([
  STATUS.invalidArgument,
  STATUS.permissionDenied,
  STATUS.resourceExhausted,
  STATUS.failedPrecondition,
  STATUS.outOfRange,
  STATUS.unimplemented,
  STATUS.unauthenticated,
]);

/** A member cut off from the others knows no leader and answers nothing: another one may. */
export function isMemberUseless(error: RpcError): boolean {
  return error.status === STATUS.unavailable && /no leader|server stopped/.test(error.message);
}

/** The token is no longer taken: the server was restarted, the token has expired, or users and roles were changed. */
export function isTokenRefused({status, message}: RpcError): boolean {
  if (status === STATUS.unauthenticated) return true;
  return status === STATUS.invalidArgument && /user name is empty|auth store is old/.test(message);
}

/** As whom, and doing what. */
export interface CallContext {
  readonly endpoint: string;
  readonly user: string | undefined;
  readonly step: 'authenticate' | 'call';
}

/** The error a caller of the store gets. */
export function agentErrorOf(error: RpcError, {endpoint, user, step}: CallContext): AgentError {
  const code = codeOfRpc(error);
  const hint = HINTS[code];
  const who = user === undefined ? 'without a user' : `as user ${JSON.stringify(user)}`;
  const during = code === 'E_UNAUTHORISED' ? `${step} ${who}: ` : '';
  const message = `etcd ${endpoint}: ${during}${error.message}${hint === undefined ? '' : ` (${hint})`}`;
  return new AgentError(code, message, {endpoint, status: error.status}, error.cause);
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  E_STORE_FULL: 'compact and defragment it or raise its quota, then disarm the alarm',
};

function codeOfRpc({status, message}: RpcError): ErrorCode {
  switch (status) {
    case STATUS.invalidArgument:
      return /authentication failed|user name is empty|auth store is old/.test(message)
        ? 'E_UNAUTHORISED'
        : 'E_UNSUPPORTED';
    case STATUS.deadlineExceeded:
      return 'E_DEADLINE';
    case STATUS.permissionDenied:
    case STATUS.unauthenticated:
      return 'E_UNAUTHORISED';
    case STATUS.resourceExhausted:
      return message.includes('database space exceeded') ? 'E_STORE_FULL' : 'E_UNSUPPORTED';
    case STATUS.outOfRange:
      return 'E_CURSOR_LOST';
    case STATUS.unimplemented:
      return 'E_UNSUPPORTED';
    case STATUS.dataLoss:
      return 'E_STORE_CORRUPT';
    default:
      return 'E_UNREACHABLE';
  }
}
