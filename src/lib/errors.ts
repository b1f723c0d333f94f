/**
 * The one error type that crosses rooms, and the table of its codes.
 *
 * Expected outcomes are values; what the environment does to us is an AgentError; a bug is a plain Error and ends the
 * process (the supervisor restarts it, and a restart is always safe). Codes are stable API: callers match on `code`
 * with `hasCode`, never on the class, because an error may cross a worker, a socket or a package.
 */

/** Every code, with what the person who meets it can do. `docs/errors.md` is generated from this table. */
export const REMEDIES = {
  E_ABORTED: 'The caller gave up; repeat the request if it is still wanted.',
  E_DEADLINE: 'The operation took longer than its limit; look at the load of the machine and of the datastore.',
  E_INTERNAL: 'This is a defect of the agent; report it with the log lines around it.',

  E_BAD_ADDRESS: 'Write an IPv4 or IPv6 address in its usual form, for example 10.65.0.1 or fd00::1.',
  E_BAD_CIDR: 'Write an address, a slash and a prefix length, for example 10.65.0.0/16 or fd00::/48.',
  E_BAD_JSON: 'Correct the JSON at the place named.',
  E_BAD_YAML: 'Correct the YAML at the line named; each document must hold one resource, a list or a resource list.',
  E_BAD_SELECTOR: 'Correct the selector at the position named; see docs/resources for the language.',
  E_INVALID_RESOURCE: 'Correct the field named by the path; the rule says what it accepts.',
  E_UNKNOWN_KIND: 'Use one of the resource kinds this program knows.',
  E_BAD_CONFIG: 'Correct the setting named; the message says which values it accepts.',

  E_CONFLICT: 'Somebody else changed the object meanwhile; read it again and repeat the change.',
  E_EXISTS: 'An object of that name is already there; update it instead or choose another name.',
  E_NOT_FOUND: 'There is no object of that name; check the name, the namespace and which datastore is in use.',
  E_UNREACHABLE: 'Check that the datastore runs and that this machine may reach it.',
  E_UNAUTHORISED: 'Check the credentials and the rights they carry.',
  E_UNSUPPORTED: 'This datastore or kernel cannot do that; the message says what can.',
  E_CURSOR_LOST: 'The datastore no longer has the changes since that point; list again and watch from there.',
  E_STORE_FULL: 'Free space on the disk that holds the datastore.',
  E_STORE_READ_ONLY: 'Make the folder of the datastore writable for root, or mount its file system read-write.',
  E_STORE_IO: 'The disk that holds the datastore reports errors; look at the kernel log.',
  E_STORE_CORRUPT: 'Restore the datastore file from a copy; it is no longer readable as it is.',
  E_STORE_UNSAFE: 'The store folder must be a real folder owned by root with mode 0700, its files 0600.',

  E_NETLINK: 'The kernel refused the request; the message carries its error number and explanation.',
  E_NETLINK_OVERRUN: 'Messages were lost because too many arrived; the state is read again from the kernel.',
  E_NETLINK_INTERRUPTED: 'The table changed while it was read; it is read again.',
  E_NETLINK_MALFORMED: 'The kernel sent something this agent cannot read; report it with the kernel version.',
  E_NO_NAMESPACE: 'The network namespace is gone or is not one; the container runtime should repeat the request.',
  E_SYSCTL: 'Check that /proc/sys/net is mounted writable for the agent.',
  E_ADDON: 'Build the native part with "make native".',
  E_FILE: 'Check that the folder exists, is writable for the agent and not full.',
  E_TUNNEL_PARENT: "No interface has the node's own address; correct the address of the Node or of the interface.",
  E_RULES: 'The rules of the packet filter could not be written; workload interfaces stay down until they are.',
  E_ENDPOINT_FAILED: 'The message says what the kernel refused; it is tried again while the workload exists.',
  E_EXEC: 'The program failed; its own message is attached.',

  E_IPAM_NO_POOL: 'Create or enable an IPPool that selects this node and allows the intended use.',
  E_IPAM_NO_ADDRESS: 'All addresses of the pools are taken or reserved; add a pool or release addresses.',
  E_IPAM_BLOCK_LIMIT: 'This node holds as many blocks as it may; raise maxBlocksPerHost or release addresses.',
  E_IPAM_NOT_IN_POOL: 'Ask for an address that lies in an enabled IPPool.',
  E_IPAM_TAKEN: 'That address belongs to somebody else; choose another or release it first.',
  E_IPAM_STRICT: 'Strict affinity forbids addresses of blocks that this node does not own.',
  E_IPAM_NOT_EMPTY: 'Addresses of that block are in use; release them first.',
  E_IPAM_BUSY: 'Too many nodes allocate at once; repeat the request.',

  E_CNI_INCOMPATIBLE: 'Set cniVersion of the network configuration to a version the plugin supports.',
  E_CNI_BAD_ENV: 'The container runtime must set the variable named.',
  E_CNI_BAD_NETWORK_CONFIG: 'Correct the field of the network configuration that the message names.',
  E_CNI_DECODE: 'The network configuration on stdin is not valid JSON of the expected shape.',
  E_CNI_BAD_FIELD: 'Correct the field of the network configuration that the message names.',
  E_CNI_BAD_ARGS: 'Correct CNI_ARGS, which the container runtime sets.',
  E_CNI_OWN_NETNS: 'CNI_NETNS must name the namespace of the pod, not that of the host.',
  E_CNI_TRY_LATER: 'The agent is not ready; the container runtime will repeat the request.',
  E_SHIM_PROTOCOL: 'Install the CNI plugin that belongs to this agent; nothing else may talk on its socket.',
  E_CNI_FAILED: 'The message says which step failed; what it had done was undone.',
  E_NOT_READY: 'Wait until the agent has synchronised, or look at /readiness for the reason.',
} as const;

export type ErrorCode = keyof typeof REMEDIES;

/** Facts of an error as fields: values only, no sentences. */
export type ErrorContext = Readonly<Record<string, unknown>>;

/**
 * An environment failure: what failed (message), with which values (context), because of what (cause), and what a
 * person can do about it (remedy).
 */
export class AgentError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : {cause});
    this.name = 'AgentError';
    this.code = code;
    this.context = context;
  }

  get remedy(): string {
    return REMEDIES[this.code];
  }
}

/** True when `error` carries `code`, whichever package, worker or socket it came through. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return codeOf(error) === code;
}

/** The AgentError code of a value that was thrown, or undefined when it carries none. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const code = error.code;
  return typeof code === 'string' && Object.hasOwn(REMEDIES, code) ? (code as ErrorCode) : undefined;
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `message: cause: cause of the cause`, for a person or one log field. */
export function messageChain(error: unknown): string {
  const texts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && depth < 8; depth++) {
    texts.push(messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return texts.join(': ');
}
