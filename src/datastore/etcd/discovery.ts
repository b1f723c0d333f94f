/**
 * Endpoints found in the DNS: the servers of the service `etcd-client-ssl` of a domain are spoken to with TLS, those of
 * `etcd-client` without. Looked up for every round of connecting, so members may come and go.
 */
import {Resolver} from 'node:dns/promises';
import type {Endpoint, EtcdSettings} from './settings.ts';

/** Looks up the SRV records of a name. */
export type ResolveSrv = (name: string) => Promise<readonly {readonly name: string; readonly port: number}[]>;

const LOOKUP_MS = 1000;
const SERVICES = [
  {service: 'etcd-client-ssl', isTls: true},
  {service: 'etcd-client', isTls: false},
] as const;

export function systemResolveSrv(name: string): ReturnType<ResolveSrv> {
  return new Resolver({timeout: LOOKUP_MS, tries: 2}).resolveSrv(name);
}

/** The endpoints that the settings name or lead to. Rejects when a domain has none. */
export async function resolveEndpoints(
  endpoints: EtcdSettings['endpoints'],
  resolveSrv: ResolveSrv,
): Promise<readonly Endpoint[]> {
  if (!('discoverySrv' in endpoints)) return endpoints;
  const domain = endpoints.discoverySrv;
  const lookups = SERVICES.map(async ({service, isTls}) => {
    const records = await resolveSrv(`_${service}._tcp.${domain}`);
    return records.map(({name, port}): Endpoint => ({host: name, port, isTls}));
  });
  const outcomes = await Promise.allSettled(lookups);
  const found = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  if (found.length > 0) return found;
  const cause: unknown = outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
  throw new Error(`no SRV records of etcd in ${domain}`, {cause});
}
