/** What the parent of a worker says to it, and what it hears. */

/** Where the store is that all workers share. */
export type StoreAddress =
  | {readonly type: 'embedded'; readonly folder: string}
  | {readonly type: 'etcdv3'; readonly endpoint: string};

/** The settings that lead there. */
export const environmentOf = (store: StoreAddress): Readonly<Record<string, string>> =>
  store.type === 'embedded'
    ? {DATASTORE_TYPE: 'embedded', CALICO_STORE: store.folder}
    : {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: store.endpoint};

export interface WorkerOptions {
  readonly store: StoreAddress;
  readonly node: string;
  /** All nodes there are. */
  readonly nodes: readonly string[];
  readonly seed: number;
  readonly operations: number;
  /** The process kills itself at this boundary between calls of the store; 0: never. */
  readonly dieAtCall: number;
  /** False: keys are written one by one, as on the Kubernetes API. */
  readonly isAtomic: boolean;
  /** Containers that live on this node, with their addresses. */
  readonly alive: Readonly<Record<string, readonly string[]>>;
  /** Containers have workload endpoints, as with the agent. */
  readonly hasEndpoints?: boolean | undefined;
  /** The containers that live go as well, and the node gives up its blocks. */
  readonly isLast: boolean;
}

/** `at` is the machine's monotonic clock in nanoseconds: it orders the reports of all workers. */
export type Report = {readonly at: string} & (
  | {readonly kind: 'reclaimed'}
  | {readonly kind: 'adding'; readonly container: string}
  | {
      readonly kind: 'added';
      readonly container: string;
      readonly ips: readonly string[];
      /** The addresses were asked for by name: reservations do not count. */
      readonly isExact?: boolean | undefined;
    }
  | {readonly kind: 'refused'; readonly container: string; readonly why?: string | undefined}
  /** These addresses of the container are about to be released. */
  | {readonly kind: 'removing'; readonly container: string; readonly ips: readonly string[]}
  | {readonly kind: 'removed'; readonly container: string}
  /** Something else was done. */
  | {readonly kind: 'did'; readonly what: string}
  | {readonly kind: 'finished'}
);
