/**
 * Is the pod's side of its network as its endpoint says? Only what its packets depend on is looked at: other plugins of
 * a chain may add addresses and routes or change the MTU.
 */
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {dumpAddresses} from '../netlink/addresses.ts';
import {getLink} from '../netlink/links.ts';
import {isPair, type PodNetwork} from './pod-network.ts';

/** The first thing that is not as it must be, as a sentence; undefined when everything is. */
export async function inspectPodSide(
  {spec}: WorkloadEndpoint,
  netnsFd: number,
  podNetwork: PodNetwork,
  signal: AbortSignal,
): Promise<string | undefined> {
  const {interfaceName = '', endpoint = '', mac, ipNetworks = []} = spec;
  using socket = podNetwork.openPod(netnsFd);
  const link = await getLink(socket, {name: endpoint});
  const name = `interface ${endpoint} of the container`;
  if (link === undefined) return `${name} is gone`;
  if (!link.up) return `${name} is down`;
  if (link.mac !== mac) return `${name} has the MAC ${link.mac}, not ${mac}`;
  const host = await podNetwork.hostLink(interfaceName);
  if (host === undefined || !isPair(link, host)) return `${name} does not lead to ${interfaceName} of the host`;
  const present = new Set((await dumpAddresses(socket, {index: link.index}, signal)).map(({ip}) => ip));
  const missing = ipNetworks.find((net) => !present.has(net.split('/')[0] ?? net));
  return missing === undefined ? undefined : `${name} lacks an address: ${missing}`;
}
