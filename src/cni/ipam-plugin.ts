/**
 * calico-ipam called by itself: addresses for another main plugin. There is no endpoint, no link, and (as in Calico) no
 * look at ClusterInformation.
 */
import {AgentError} from '../lib/errors.ts';
import {assignAddresses, releaseAddresses} from './addresses.ts';
import {parseCniArgs} from './cni-args.ts';
import type {AttachmentRequest} from './request.ts';
import type {CniResult} from './result.ts';
import type {Call, Services} from './services.ts';
import {lockNames, type Workload, workloadOf} from './workload.ts';

export async function ipamAdd(request: AttachmentRequest, services: Services, call: Call): Promise<CniResult> {
  const workload = workloadOfRequest(request, services);
  return services.lock.run(lockNames(workload), call.signal, async () => {
    const {ips, routes} = await assignAddresses(request, workload, services, call);
    return {interfaces: [], ips, routes};
  });
}

export async function ipamDel(request: AttachmentRequest, services: Services, call: Call): Promise<void> {
  const workload = workloadOfRequest(request, services);
  await services.lock.run(lockNames(workload), call.signal, () => releaseAddresses(request, workload, services, call));
}

/** Throws E_CNI_FAILED when the container has no address any more. */
export async function ipamCheck(
  request: AttachmentRequest,
  {allocator, ...services}: Services,
  call: Call,
): Promise<void> {
  const {handleId} = workloadOfRequest(request, services);
  const held = handleId === undefined ? [] : await allocator.ipsByHandle(handleId, {signal: call.signal});
  if (held.length === 0)
    throw new AgentError('E_CNI_FAILED', `no address is assigned to ${handleId ?? 'the container'}`);
}

function workloadOfRequest(
  {config, containerId, args}: AttachmentRequest,
  {nodeName: node, interfacePrefix}: Pick<Services, 'nodeName' | 'interfacePrefix'>,
): Workload {
  const {pod} = parseCniArgs(args);
  return workloadOf({node, network: config.name, containerId, pod, interfacePrefix});
}
