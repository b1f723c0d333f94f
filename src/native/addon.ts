/**
 * The native addon as TypeScript sees it: thin, typed, no policy. Everything that needs a system call Node does not
 * have is here and nowhere else: netlink sockets in a namespace of choice, unix sockets with peer credentials and
 * passed descriptors, a piece of work inside a network namespace.
 *
 * Loaded once from native/build; a missing or foreign build is E_ADDON.
 */
import {createRequire} from 'node:module';
import {AgentError} from '../lib/errors.ts';

/** Answer to one request: the raw netlink messages, one after the other. */
export interface NetlinkReply {
  readonly data: Uint8Array;
  /** ENOBUFS was seen while receiving: messages are missing, perhaps the last one too. */
  readonly overrun: boolean;
}

/**
 * What the addon throws (or rejects with) when a system call fails; an argument of the wrong kind is a TypeError
 * instead, before anything was done.
 */
export interface SystemError extends Error {
  /** Negative, as everywhere in Node: -105. */
  readonly errno: number;
  /** "ENOBUFS" */
  readonly code: string;
  /** "send" */
  readonly syscall: string;
}

/**
 * One netlink socket. Requests and monitoring need sockets of their own: one that has groups or listens takes no
 * requests. Extended acknowledgements, acknowledgements without the request in them, and strict checking of dump
 * requests are on.
 */
export interface NetlinkSocket {
  /** Port id the kernel gave this socket (nlmsg_pid of our messages). */
  readonly portId: number;
  /**
   * Sends `batch` (one or more whole messages, at most 64 MiB) and collects replies until the acknowledgement, error or
   * end of dump that answers the last message. That message must carry NLM_F_ACK or NLM_F_DUMP and a sequence number
   * no other message of the batch has. An nf_tables batch (begin ... end) is sent in one piece and its answer is all
   * that the kernel queued; other large batches are cut between messages so that the answers fit the receive buffer.
   *
   * Inline: only for what is known to stay under a millisecond. Throws a SystemError when the socket itself fails, with
   * EBUSY while a transactAsync of this socket is pending, with EBADF after close.
   */
  transact(batch: Uint8Array): NetlinkReply;
  /**
   * The same off the main thread, on a copy of `batch`. One request of a socket at a time; further ones queue in order.
   * A batch that transact would refuse throws at once; a failing socket rejects.
   */
  transactAsync(batch: Uint8Array): Promise<NetlinkReply>;
  /**
   * Calls back for whatever the kernel multicasts, with one or more whole messages; `lost` says that messages were
   * dropped before this call (`data` may then be empty). Keeps the process alive until close.
   */
  listen(callback: (data: Uint8Array, lost: boolean) => void): void;
  /** Idempotent; whatever transactAsync has pending is still done and settles. */
  close(): void;
}

export interface NetlinkOptions {
  /** Protocol family: 0 route, 12 netfilter, 16 generic. */
  readonly protocol: number;
  /** Descriptor of the network namespace to open the socket in; the process's own when absent. */
  readonly netnsFd?: number;
  /** Multicast groups (numbers, not bits) to join. */
  readonly groups?: readonly number[];
  /** Receive buffer in bytes, forced past the system's limit; default 4 MiB. */
  readonly receiveBuffer?: number;
}

/** A connection accepted on a unix socket. Closes itself when nobody refers to it and it neither reads nor writes. */
export interface UnixConnection {
  /** SO_PEERCRED of the peer at connect time. */
  readonly credentials: {readonly pid: number; readonly uid: number; readonly gid: number};
  /**
   * Starts reading. `fds` are descriptors received with this piece of data (at most 4, close-on-exec), now the callee's
   * to close. `truncated` says that the peer sent more than that, or more than the process has room for: those that
   * arrived are closed already and `fds` is empty. An empty `data` is the end of the stream (or a reset connection);
   * writing is still possible. At most 64 KiB at a time.
   */
  read(callback: (data: Uint8Array, fds: readonly number[], truncated: boolean) => void): void;
  /**
   * Queues `data`; resolves when the kernel has all of it, rejects with a SystemError when the peer is gone (EPIPE,
   * ECONNRESET), when more than 16 MiB would wait (ENOBUFS), or when the connection is closed first (ECANCELED).
   */
  write(data: Uint8Array): Promise<void>;
  /** Idempotent. What still waits to be written is dropped. */
  close(): void;
}

export interface UnixListener {
  /** Idempotent. Stops accepting; open connections live on. The socket file is not removed. */
  close(): void;
}

export interface NamespaceInfo {
  /** Inode of the namespace: equal inodes are the same namespace. */
  readonly inode: bigint;
  readonly device: bigint;
}

/** One write of a batch: path below /proc/sys with slashes, for example `net/ipv4/conf/eth0/forwarding`. */
export interface SysctlWrite {
  readonly path: string;
  readonly value: string;
}

/** Since the process started, over all threads. A restart with nothing to change must not move them. */
export interface AddonCounters {
  /** rtnetlink messages sent that are no GET, and messages inside nf_tables batches. */
  readonly netlinkWrites: number;
  /** Sysctl writes that the kernel took. */
  readonly sysctlWrites: number;
}

export interface Addon {
  /** Throws EINVAL when `netnsFd` is no network namespace. */
  openNetlink(options: NetlinkOptions): NetlinkSocket;
  /**
   * Binds and listens at `path` (at most 107 bytes) with the mode given: the file is made under umask 077 and is never
   * more open than asked. The path must not exist (EADDRINUSE).
   */
  listenUnix(
    path: string,
    options: {mode: number; backlog: number},
    onConnection: (c: UnixConnection) => void,
  ): UnixListener;
  /** Identity of the network namespace behind `fd`; undefined when the descriptor is not one (NS_GET_NSTYPE). */
  networkNamespace(fd: number): NamespaceInfo | undefined;
  /**
   * Values in order, without the final newline; a negative errno where reading failed. Runs inside `netnsFd`, or here
   * when undefined. At most 4096 paths; a path that could leave /proc/sys/net is a TypeError.
   */
  readSysctls(netnsFd: number | undefined, paths: readonly string[]): (string | number)[];
  /** 0, or a negative errno, per write, in order. All writes are tried. */
  writeSysctls(netnsFd: number | undefined, writes: readonly SysctlWrite[]): number[];
  counters(): AddonCounters;
}

let loaded: Addon | undefined;

export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const path = new URL('../../native/build/addon.node', import.meta.url).pathname;
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    throw new AgentError('E_ADDON', 'the native addon cannot be loaded', {path}, error);
  }
}
