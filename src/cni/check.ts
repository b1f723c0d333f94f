/**
 * CHECK: is the container still connected as its ADD left it? Calico answers OK without a look.
 *
 * What other plugins of a chain may change (more addresses, more routes, another MTU) is not looked at: only what the
 * pod's packets depend on, and that is all ours.
 */
import {AgentError} from '../lib/errors.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';
import {OWN_IPAM} from './addresses.ts';
import {parseCniArgs} from './cni-args.ts';
import {inspectPodSide} from './pod-side.ts';
import {type AttachmentRequest, requireNetns} from './request.ts';
import type {Call, Services} from './services.ts';
import {endpointIdOf, endpointNameOf, lockNames, type Workload, workloadOf} from './workload.ts';

/** How long the host's side may need: it is in place already, or something is wrong. */
const REPORT_MS = 5_000;

/** Throws E_CNI_FAILED, naming the first thing that is not as it must be. */
export async function check(request: AttachmentRequest, services: Services, call: Call): Promise<void> {
  const {config, containerId} = request;
  const {nodeName: node, interfacePrefix} = services;
  const {pod} = parseCniArgs(request.args);
  const workload = workloadOf({node, network: config.name, containerId, pod, interfacePrefix});
  const netns = requireNetns(request.netns);
  await services.lock.run(lockNames(workload), call.signal, async () => {
    const endpoint = await findEndpoint(request, workload, services, call);
    const problem = await inspectPodSide(endpoint, netns.fd, services.podNetwork, call.signal);
    if (problem !== undefined) throw new AgentError('E_CNI_FAILED', problem);
    await checkAddresses(endpoint, workload, request, services, call);
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(REPORT_MS)]);
    await services.felix.waitForEndpoint(endpointIdOf(endpoint), signal);
  });
}

async function findEndpoint(
  {ifname}: AttachmentRequest,
  workload: Workload,
  {endpoints}: Services,
  {signal}: Call,
): Promise<WorkloadEndpoint> {
  const name = endpointNameOf(workload, ifname);
  const all = await endpoints.of(workload, {signal});
  const endpoint = all.find(({metadata}) => metadata.name === name);
  if (endpoint === undefined) throw wrong('the container has no WorkloadEndpoint', {endpoint: name});
  if (endpoint.spec.containerID !== workload.containerId)
    throw wrong('the WorkloadEndpoint is that of another container of the pod', {
      endpoint: name,
      containerId: endpoint.spec.containerID,
    });
  return endpoint;
}

async function checkAddresses(
  {spec}: WorkloadEndpoint,
  {handleId}: Workload,
  {config}: AttachmentRequest,
  {allocator}: Services,
  {signal}: Call,
): Promise<void> {
  if (config.ipam.type !== OWN_IPAM || handleId === undefined) return;
  const held = new Set((await allocator.ipsByHandle(handleId, {signal})).map(({ip}) => ip));
  for (const net of spec.ipNetworks ?? [])
    if (!held.has(net.split('/')[0] ?? net))
      throw wrong('an address of the container is not assigned to it', {address: net, handle: handleId});
}

function wrong(problem: string, facts: Readonly<Record<string, unknown>>): AgentError {
  const values = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
  return new AgentError('E_CNI_FAILED', `${problem} (${values.join(', ')})`, facts);
}
