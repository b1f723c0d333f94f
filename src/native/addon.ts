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
  /** ENOBUFS was seen while receiving: messages are missing. */
  readonly overrun: boolean;
}

/** One netlink socket. Requests and monitoring need sockets of their own. */
export interface NetlinkSocket {
  /** Port id the kernel gave this socket (nlmsg_pid of our messages). */
  readonly portId: number;
  /**
   * Sends `batch` (one or more whole messages) in one sendmsg and collects replies until the acknowledgement, error or
   * end of dump that answers the last message; that message must carry NLM_F_ACK or NLM_F_DUMP. Inline: only for what
   * is known to stay under a millisecond. Throws an Error with `errno` when the socket itself fails.
   */
  transact(batch: Uint8Array): NetlinkReply;
  /** The same off the main thread. One request of a socket at a time; further ones queue in order. */
  transactAsync(batch: Uint8Array): Promise<NetlinkReply>;
  /** Calls back for whatever the kernel multicasts; `lost` says that messages before this point were dropped. */
  listen(callback: (data: Uint8Array, lost: boolean) => void): void;
  /** Idempotent; a pending transactAsync settles first. */
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

/** A connection accepted on a unix socket. */
export interface UnixConnection {
  /** SO_PEERCRED of the peer at connect time. */
  readonly credentials: {readonly pid: number; readonly uid: number; readonly gid: number};
  /**
   * Starts reading. `fds` are descriptors received with this piece of data (close-on-exec), now the callee's to close.
   * `truncated` says that the kernel had to drop descriptors or control data. An empty `data` is the end of the stream.
   */
  read(callback: (data: Uint8Array, fds: readonly number[], truncated: boolean) => void): void;
  /** Queues `data`; resolves when the kernel has all of it, rejects when the peer is gone. */
  write(data: Uint8Array): Promise<void>;
  close(): void;
}

export interface UnixListener {
  /** Stops accepting; open connections live on. The socket file is not removed. */
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

export interface Addon {
  openNetlink(options: NetlinkOptions): NetlinkSocket;
  /** Binds and listens at `path` with the mode given (made under umask 077); the path must not exist. */
  listenUnix(
    path: string,
    options: {mode: number; backlog: number},
    onConnection: (c: UnixConnection) => void,
  ): UnixListener;
  /** Identity of the network namespace behind `fd`; undefined when the descriptor is not one (NS_GET_NSTYPE). */
  networkNamespace(fd: number): NamespaceInfo | undefined;
  /** Values in order; an errno (negative number) where reading failed. Runs inside `netnsFd`, or here when undefined. */
  readSysctls(netnsFd: number | undefined, paths: readonly string[]): (string | number)[];
  /** 0, or a negative errno, per write, in order. All writes are tried. */
  writeSysctls(netnsFd: number | undefined, writes: readonly SysctlWrite[]): number[];
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
