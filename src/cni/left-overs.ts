/**
 * Finds what is left of containers that are gone, and takes it away: endpoints whose link has vanished, addresses of an
 * ADD that never came to its endpoint, links without an endpoint. Two occasions:
 *
 * - the start of the agent: whatever died with the last one, or with the machine;
 * - GC: the runtime says which attachments of a network are in use, and everything else of it goes.
 *
 * What must be proven: a container whose host link is gone has no network, so its endpoint and addresses are of no use
 * to it. An address without an endpoint is a left-over only if a call of ours about it was broken off (the journal says
 * so): what calico-ipam assigned for another main plugin never has an endpoint. Whoever has a call under way is left alone.
 */
import type {CallOptions} from '../datastore/store.ts';
import type {Allocation} from '../ipam/block.ts';
import {type ReclaimCandidate, type ReclaimResult, reclaim} from '../ipam/reclaim.ts';
import {HANDLES_PREFIX} from '../model/keys.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {workloadHandleId} from '../model/names.ts';
import type {JournalEntry} from './call-journal.ts';
import type {Attachment} from './network-config.ts';
import type {Services} from './services.ts';
import {journalEntryOf, lockNamesOf, type Workload, workloadOf} from './workload.ts';

export interface LeftOverResult {
  readonly endpoints: number;
  readonly addresses: readonly Allocation[];
}

/** At the start of the agent. `startedMs`: nothing younger is looked at. */
export async function removeLeftOvers(
  services: Services,
  startedMs: number,
  call: CallOptions,
): Promise<LeftOverResult> {
  const {podNetwork, endpoints, journal, nodeName} = services;
  const left = journal.leftOpen;
  const brokenOff = new Set(left.map(({handleId}) => handleId));
  const isVanished = async ({spec}: WorkloadEndpoint): Promise<boolean> =>
    spec.interfaceName !== undefined && (await podNetwork.hostLink(spec.interfaceName)) === undefined;
  const removed = await removeEndpoints(services, isVanished, call);
  const living = new Set((await endpoints.ofNode(nodeName, call)).map(({spec}) => spec.containerID));
  const {released} = await reclaimAddresses(services, startedMs, call, (candidate) => {
    if (living.has(candidate.containerId)) return false;
    return brokenOff.has(candidate.handleId) || hadEndpoint(removed, candidate);
  });
  for (const entry of left) {
    await removeLink(services, entry, call);
    journal.settle(entry.handleId);
  }
  return {endpoints: removed.length, addresses: released};
}

/** GC of one network: everything of it that is not among `valid`. */
export async function collectGarbage(
  services: Services,
  network: string,
  valid: readonly Attachment[],
  call: CallOptions,
): Promise<LeftOverResult> {
  const containers = new Set(valid.map(({containerId}) => containerId));
  const attachments = new Set(valid.map(({containerId, ifname}) => `${containerId} ${ifname}`));
  const startedMs = services.clock.wallMs();
  const ofNetwork = await containersOf(services, network, call);
  const isUnused = async ({spec}: WorkloadEndpoint): Promise<boolean> => {
    const {containerID = '', endpoint = '', profiles = []} = spec;
    if (containerID === '' || attachments.has(`${containerID} ${endpoint}`)) return false;
    return ofNetwork.has(containerID) || profiles.includes(network);
  };
  const removed = await removeEndpoints(services, isUnused, call);
  const {released} = await reclaimAddresses(
    services,
    startedMs,
    call,
    ({networkName, containerId}) => networkName === network && !containers.has(containerId),
  );
  return {endpoints: removed.length, addresses: released};
}

/** Containers that have addresses of the network, on this node or another. */
async function containersOf({store}: Services, network: string, call: CallOptions): Promise<ReadonlySet<string>> {
  const prefix = `${HANDLES_PREFIX}${workloadHandleId(network, '')}`;
  const {entries} = await store.list(prefix, call);
  return new Set(entries.map(({key}) => key.slice(prefix.length)));
}

/** Removes endpoints and the links that belong to them; each under the lock of its container, looked at again there. */
async function removeEndpoints(
  services: Services,
  isDead: (endpoint: WorkloadEndpoint) => Promise<boolean>,
  call: CallOptions,
): Promise<readonly WorkloadEndpoint[]> {
  const {endpoints, nodeName, lock, podNetwork} = services;
  const signal = call.signal ?? new AbortController().signal;
  const removed: WorkloadEndpoint[] = [];
  for (const endpoint of await endpoints.ofNode(nodeName, call)) {
    const {containerID = '', interfaceName = ''} = endpoint.spec;
    if (containerID === '' || lock.isTaken(containerID) || !(await isDead(endpoint))) continue;
    await lock.run(lockNamesOf(endpoint), signal, async () => {
      if (!(await isDead(endpoint)) || !(await endpoints.remove(endpoint, containerID, call))) return;
      removed.push(endpoint);
      if ((await podNetwork.hostLink(interfaceName)) !== undefined) await podNetwork.deleteHostLink(interfaceName);
    });
  }
  return removed;
}

function reclaimAddresses(
  services: Services,
  startedMs: number,
  call: CallOptions,
  isDead: (candidate: ReclaimCandidate) => boolean,
): Promise<ReclaimResult> {
  const {nodeName, lock} = services;
  return reclaim(
    {node: nodeName, startedMs},
    {
      ...services,
      isDead: async (candidate) => {
        if (lock.isTaken(candidate.containerId) || !isDead(candidate)) return false;
        await removeLink(services, journalEntryOf(workloadOfCandidate(services, candidate)), call);
        return true;
      },
    },
    call,
  );
}

/** The veth of an ADD that came no further. A new sandbox of the same pod uses the same name: its call goes first. */
async function removeLink(
  {podNetwork, endpoints, lock, nodeName}: Services,
  {hostInterface, lockNames}: JournalEntry,
  call: CallOptions,
): Promise<void> {
  if ((await podNetwork.hostLink(hostInterface)) === undefined) return;
  await lock.run(lockNames, call.signal ?? new AbortController().signal, async () => {
    const all = await endpoints.ofNode(nodeName, call);
    if (!all.some(({spec}) => spec.interfaceName === hostInterface)) await podNetwork.deleteHostLink(hostInterface);
  });
}

function workloadOfCandidate(
  {nodeName: node, interfacePrefix}: Services,
  {attributes, networkName: network, containerId}: ReclaimCandidate,
): Workload {
  const [namespace, name] = [attributes.get('namespace'), attributes.get('pod')];
  const pod = namespace === undefined || name === undefined ? undefined : {namespace, name};
  return workloadOf({node, network, containerId, pod, interfacePrefix});
}

/** Its endpoint was just removed because the link is gone. */
const hadEndpoint = (removed: readonly WorkloadEndpoint[], {containerId, ip}: ReclaimCandidate): boolean =>
  removed.some(
    ({spec}) => spec.containerID === containerId && spec.ipNetworks?.some((net) => net.split('/')[0] === ip) === true,
  );
