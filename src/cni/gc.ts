/** GC: the runtime lists the attachments of a network that are in use; what else there is of it on this node goes. */
import {AgentError} from '../lib/errors.ts';
import {OWN_IPAM} from './addresses.ts';
import {requireDatastoreReady} from './datastore-gate.ts';
import {runDelegate} from './delegate.ts';
import {collectGarbage} from './left-overs.ts';
import type {GcRequest} from './request.ts';
import type {Call, Services} from './services.ts';

export async function gc(request: GcRequest, services: Services, call: Call): Promise<void> {
  const {config, args, stdin} = request;
  const {validAttachments, ipam, name} = config;
  // Without the list everything would go.
  if (validAttachments === undefined)
    throw new AgentError('E_CNI_BAD_FIELD', 'cni.dev/valid-attachments is missing: GC does not know what is in use');
  const {signal} = call;
  await requireDatastoreReady(services.resources, {signal});
  const {endpoints, addresses} = await collectGarbage(services, name, validAttachments, {signal});
  services.log.info({network: name, endpoints, addresses: addresses.length}, 'attachments not in use removed');
  if (request.program === 'calico' && ipam.type !== OWN_IPAM && ipam.type !== '')
    await runDelegate({plugin: ipam.type, verb: 'GC', args, stdin}, call);
}
