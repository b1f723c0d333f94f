/**
 * The Profile that endpoints without Kubernetes policy have: named after the network, it lets members of the network
 * talk to each other and everybody talk out. Made with the first pod of a network; afterwards it is the operator's.
 */
import type {Resources} from '../datastore/resources.ts';
import type {CallOptions} from '../datastore/store.ts';
import {hasCode} from '../lib/errors.ts';
import {Profile} from '../model/kinds/profile.ts';

export async function ensureNetworkProfile(network: string, resources: Resources, call: CallOptions): Promise<void> {
  if ((await resources.get(Profile, {name: network}, call)) !== undefined) return;
  try {
    await resources.create(Profile, networkProfile(network), call);
  } catch (error) {
    // Another pod of the network was faster.
    if (!hasCode(error, 'E_EXISTS')) throw error;
  }
}

export const networkProfile = (network: string): Profile =>
  Profile.create({
    metadata: {name: network},
    spec: {
      ingress: [{action: 'Allow', source: {selector: `has(${network})`}, destination: {}}],
      egress: [{action: 'Allow', source: {}, destination: {}}],
      labelsToApply: {[network]: ''},
    },
  });
