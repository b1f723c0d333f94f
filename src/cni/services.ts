/** What every verb works with, and what a single call brings along. */
import type {Resources} from '../datastore/resources.ts';
import type {Store} from '../datastore/store.ts';
import type {Allocator} from '../ipam/allocator.ts';
import type {NodeAllocator} from '../ipam/node-allocator.ts';
import type {Clock} from '../lib/clock.ts';
import type {Logger} from '../lib/log.ts';
import type {DelegateOrder, DelegateReport} from '../native/shim-protocol.ts';
import type {AgentSettings} from './agent-settings.ts';
import type {AttachmentLock} from './attachment-lock.ts';
import type {CallJournal} from './call-journal.ts';
import type {CniMetrics} from './cni-metrics.ts';
import type {Endpoints} from './endpoints.ts';
import type {FelixPort} from './felix-port.ts';
import type {NodeView} from './node-view.ts';
import type {PodNetwork} from './pod-network.ts';

export interface Services {
  readonly nodeName: string;
  /** The first prefix of Felix's InterfacePrefix. */
  readonly interfacePrefix: string;
  /** MTU for a new pod; undefined when the agent has not decided yet. Throws when it cannot be told. */
  readonly readPodMtu: () => number | undefined;
  readonly store: Store;
  readonly resources: Resources;
  /** Addresses of this node's pods. */
  readonly nodeAllocator: Pick<NodeAllocator, 'assign' | 'assignIp' | 'releaseByHandle' | 'releaseIps'>;
  /** Looks at addresses, and gives back what the dead left. */
  readonly allocator: Allocator;
  readonly felix: FelixPort;
  readonly endpoints: Endpoints;
  readonly view: NodeView;
  readonly podNetwork: PodNetwork;
  readonly settings: AgentSettings;
  readonly lock: AttachmentLock;
  readonly journal: CallJournal;
  readonly readiness: () => Readiness;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: CniMetrics;
}

/** Can a pod be added? `limited`: nor is it sure that the pods that are there are connected. */
export type Readiness =
  | {readonly state: 'ready'}
  | {readonly state: 'unavailable'; readonly reason: string}
  | {readonly state: 'limited'; readonly reason: string};

export interface Call {
  /** Aborts when the call has taken too long, when its caller is gone, or when the agent stops. */
  readonly signal: AbortSignal;
  /** Has the plugin run an IPAM plugin in the runtime's own mount namespace. */
  delegate(order: DelegateOrder): Promise<DelegateReport>;
}

/** What is done although the call has failed or been given up: each call of the datastore has this long. */
export const CLEAN_UP = {deadlineMs: 10_000};
