/**
 * DEL: takes a container's network away. May be called again, without a namespace, for what was never added, or for an
 * old sandbox of a pod that has a new one: all of that succeeds, and nothing is touched that is not this container's.
 *
 * First it is found out whose things they are; when the datastore does not answer, nothing is touched at all. Then the
 * endpoint goes (with it Felix's routes) and the link, at the same time where the pod's side can be reached: the kernel
 * takes 20 ms for a link, in which the datastore can write. Last go the addresses: they may be given to another pod only
 * when this one cannot use them any more.
 *
 * What surprised us in Calico: one handle holds the addresses of all interfaces of a container, and a DEL for any of
 * them released them all. Here they stay until the last endpoint of the container goes.
 */
import {AgentError} from '../lib/errors.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {releaseAddresses} from './addresses.ts';
import {parseCniArgs} from './cni-args.ts';
import {requireDatastoreReady} from './datastore-gate.ts';
import {isOf} from './endpoints.ts';
import {type AttachmentRequest, requireNetns} from './request.ts';
import type {Call, Services} from './services.ts';
import {together} from './undo.ts';
import {endpointNameOf, journalEntryOf, lockNames, type Workload, workloadOf} from './workload.ts';

const ENOENT = 2;

export async function del(request: AttachmentRequest, services: Services, call: Call): Promise<void> {
  const {config, containerId} = request;
  const {nodeName: node, interfacePrefix, journal, lock} = services;
  const {pod} = parseCniArgs(request.args);
  const workload = workloadOf({node, network: config.name, containerId, pod, interfacePrefix});
  if (config.ipam.type === '') throw new AgentError('E_CNI_BAD_FIELD', 'no plugin name provided: ipam.type is missing');
  requireUsable(request);
  await lock.run(lockNames(workload), call.signal, async () => {
    const entry = journalEntryOf(workload);
    let isClean = false;
    journal.begin(entry);
    try {
      await disconnect(request, workload, services, call);
      isClean = true;
    } finally {
      journal.end(entry, isClean);
    }
  });
}

/** A namespace that is gone is as good as deleted; anything else in its place is an error. */
function requireUsable({netns}: AttachmentRequest): void {
  if (netns.kind === 'absent' || (netns.kind === 'unopened' && netns.errno === ENOENT)) return;
  requireNetns(netns);
}

async function disconnect(
  request: AttachmentRequest,
  workload: Workload,
  services: Services,
  call: Call,
): Promise<void> {
  const {endpoints, resources, log} = services;
  const {signal} = call;
  const {containerId} = workload;
  const [all] = await together(endpoints.of(workload, {signal}), requireDatastoreReady(resources, {signal}));
  const name = endpointNameOf(workload, request.ifname);
  const own = all.filter((endpoint) => isOf(endpoint, containerId));
  const endpoint = own.find(({metadata}) => metadata.name === name);
  const remove = async () => endpoint !== undefined && (await endpoints.remove(endpoint, containerId, {signal}));
  const {netns} = request;
  let isGone: boolean;
  if (netns.kind === 'open') {
    [isGone] = await together(remove(), deletePodSide(netns.fd, request.ifname, endpoint, services, call));
  } else {
    isGone = await remove();
    if (isGone) await deleteHostSide(endpoint, services, call);
  }
  const others = own.filter((each) => each !== endpoint);
  if (others.length === 0) await releaseAddresses(request, workload, services, call);
  log.info(
    {containerId, pod: workload.pod, namespace: workload.namespace, endpoint: isGone ? name : undefined},
    'pod disconnected',
  );
}

function deletePodSide(
  netnsFd: number,
  ifname: string,
  endpoint: WorkloadEndpoint | undefined,
  {podNetwork}: Services,
  {signal}: Call,
): Promise<void> {
  const host = endpoint?.spec.interfaceName;
  const recorded = host === undefined ? undefined : {name: host, podMac: endpoint?.spec.mac};
  return podNetwork.deletePodLink(netnsFd, ifname, recorded, signal);
}

/**
 * There is no way to the pod's side. Its network goes with the host's side, unless that is somebody else's by now; the
 * endpoint itself is gone when this is asked.
 */
async function deleteHostSide(
  endpoint: WorkloadEndpoint | undefined,
  {podNetwork, endpoints, nodeName}: Services,
  {signal}: Call,
): Promise<void> {
  const host = endpoint?.spec.interfaceName;
  if (host === undefined || (await podNetwork.hostLink(host)) === undefined) return;
  const claimants = await endpoints.ofNode(nodeName, {signal});
  if (!claimants.some(({spec}) => spec.interfaceName === host)) await podNetwork.deleteHostLink(host);
}
