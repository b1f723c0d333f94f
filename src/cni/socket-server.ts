/**
 * Listens on the CNI socket. Who may come in, and how many: only root, 64 at a time. Further ones are accepted and not
 * read until it is their turn (200 pods may start at once), and beyond those they are turned away. Refusals are
 * counted, and logged once per cause.
 *
 * The folder is made for root alone, and the socket in it too. A socket that is there already is taken over only when
 * nobody answers on it: two agents on one node would tear each other's pods down.
 */
import {lstatSync, mkdirSync, unlinkSync} from 'node:fs';
import {connect} from 'node:net';
import {dirname} from 'node:path';
import type {Clock} from '../lib/clock.ts';
import {AgentError, type ErrorCode, messageOf} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import type {Addon, UnixConnection, UnixListener} from '../native/addon.ts';
import type {CniMetrics} from './cni-metrics.ts';
import {type RefusalCause, type SessionDependencies, ShimSession} from './shim-session.ts';

export interface SocketServerOptions {
  readonly path: string;
  /** Connections that are served at a time; default 64. */
  readonly maxServed?: number | undefined;
  /** Connections that wait for their turn; default 192. */
  readonly maxWaiting?: number | undefined;
  /** Default 30 s. */
  readonly idleMs?: number | undefined;
}

export interface SocketServerDependencies {
  readonly addon: Pick<Addon, 'listenUnix'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: CniMetrics;
  readonly serve: SessionDependencies['serve'];
}

const MAX_SERVED = 64;
const MAX_WAITING = 192;
const IDLE_MS = 30_000;
const BACKLOG = 256;
const ROOT = 0;
const ANSWER_MS = 1_000;

interface WaitingConnection {
  readonly connection: UnixConnection;
  readonly sinceMs: number;
}

export class SocketServer {
  readonly #options: Required<{[K in keyof SocketServerOptions]: NonNullable<SocketServerOptions[K]>}>;
  readonly #dependencies: SocketServerDependencies;
  readonly #sessions = new Map<ShimSession, Promise<void>>();
  readonly #waiting: WaitingConnection[] = [];
  readonly #logged = new Set<RefusalCause>();
  #listener: UnixListener | undefined;

  constructor(options: SocketServerOptions, dependencies: SocketServerDependencies) {
    const {path, maxServed = MAX_SERVED, maxWaiting = MAX_WAITING, idleMs = IDLE_MS} = options;
    this.#options = {path, maxServed, maxWaiting, idleMs};
    this.#dependencies = dependencies;
  }

  /** Connections that are being served. */
  get served(): number {
    return this.#sessions.size;
  }

  /** Connections that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** For how long the first of them has. */
  get oldestWaitingMs(): number {
    const oldest = this.#waiting[0];
    return oldest === undefined ? 0 : this.#dependencies.clock.monotonicMs() - oldest.sinceMs;
  }

  /** Throws E_FILE when the socket cannot be made, E_EXISTS when another agent answers on it. */
  async start(): Promise<void> {
    const {path} = this.#options;
    makeFolder(dirname(path));
    await removeStale(path);
    try {
      this.#listener = this.#dependencies.addon.listenUnix(path, {mode: 0o600, backlog: BACKLOG}, (connection) =>
        this.#onConnection(connection),
      );
    } catch (error) {
      throw new AgentError('E_FILE', 'the CNI socket cannot be made', {path}, error);
    }
  }

  /** Takes nobody in any more and removes the socket; resolves when the calls under way have ended. */
  async stop(): Promise<void> {
    if (this.#listener === undefined) return;
    this.#listener.close();
    this.#listener = undefined;
    try {
      unlinkSync(this.#options.path);
    } catch {
      // Somebody removed it before us.
    }
    for (const {connection} of this.#waiting.splice(0)) connection.close();
    for (const session of this.#sessions.keys()) session.end();
    await Promise.all(this.#sessions.values());
  }

  #onConnection(connection: UnixConnection): void {
    const {uid} = connection.credentials;
    const turnAway = (cause: RefusalCause, code: ErrorCode, message: string): void => {
      this.#note(cause, new AgentError(code, message, {uid}));
      connection.close();
    };
    if (uid !== ROOT) turnAway('credentials', 'E_UNAUTHORISED', 'only root may use the CNI socket');
    else if (this.#sessions.size < this.#options.maxServed) this.#open(connection);
    else if (this.#waiting.length >= this.#options.maxWaiting)
      turnAway('too-many', 'E_CNI_TRY_LATER', 'too many calls at once');
    else this.#waiting.push({connection, sinceMs: this.#dependencies.clock.monotonicMs()});
  }

  #open(connection: UnixConnection): void {
    const {clock, serve} = this.#dependencies;
    const {idleMs} = this.#options;
    const session = new ShimSession(
      {idleMs},
      {connection, clock, serve, onRefused: (cause, error) => this.#note(cause, error)},
    );
    const ended = session.run().then(() => {
      this.#sessions.delete(session);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#open(next.connection);
    });
    this.#sessions.set(session, ended);
  }

  #note(cause: RefusalCause, error: AgentError): void {
    this.#dependencies.metrics.refused(cause);
    if (this.#logged.has(cause)) return;
    this.#logged.add(cause);
    this.#dependencies.log.warn(
      {cause, code: error.code, reason: messageOf(error)},
      'connection to the CNI socket refused; further ones are only counted',
    );
  }
}

/** Made with its parents; what is there already must be root's and closed to others. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(dirname(folder), {recursive: true});
    try {
      mkdirSync(folder, {mode: 0o700});
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
    const {mode, uid} = lstatSync(folder);
    const isFolder = (mode & 0o170000) === 0o040000;
    if (!isFolder || uid !== ROOT || (mode & 0o022) !== 0)
      throw new AgentError(
        'E_FILE',
        'the folder of the CNI socket must be a real folder of root, writable by nobody else',
        {
          folder,
          mode: (mode & 0o7777).toString(8),
          uid,
        },
      );
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError('E_FILE', 'the folder of the CNI socket cannot be made', {folder}, error);
  }
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, {throwIfNoEntry: false});
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new AgentError('E_FILE', 'there is something else in the place of the CNI socket', {path});
  if (await isAnswered(path))
    throw new AgentError('E_EXISTS', 'another agent answers on the CNI socket of this node', {path});
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw new AgentError('E_FILE', 'the old CNI socket cannot be removed', {path}, error);
  }
}

/** A socket whose owner is busy counts as answered: only a refusal says that nobody listens. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS, () => finish(true));
    socket.once('connect', () => finish(true));
    socket.once('error', (error) => finish(!isCode(error, 'ECONNREFUSED') && !isCode(error, 'ENOENT')));
  });
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
