/**
 * What a node does before it takes part in the cluster: finds its addresses, writes its Node, and makes sure of the
 * objects every cluster has. Everything is idempotent: a second start with the same settings writes nothing.
 *
 * ClusterInformation comes last, because `datastoreReady` in it tells everybody else that the rest is there.
 */
import type {Resources} from '../datastore/resources.ts';
import {parseCidr} from '../lib/cidr.ts';
import {hasCode} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {BGPConfiguration} from '../model/kinds/bgp-configuration.ts';
import {ClusterInformation} from '../model/kinds/cluster-information.ts';
import {FelixConfiguration} from '../model/kinds/felix-configuration.ts';
import {IPPool} from '../model/kinds/ip-pool.ts';
import {Node} from '../model/kinds/node.ts';
import {BUILT_IN_TIERS, Tier} from '../model/kinds/tier.ts';
import {type DetectionDependencies, type HostInterface, reportedInterfaces} from './address-detection.ts';
import {defaultPools} from './default-pools.ts';
import type {NodeSettings} from './environment.ts';
import {
  decideAddresses,
  type NodeAddresses,
  requestedFamilies,
  requireUnique,
  storedAddresses,
} from './node-addresses.ts';

export interface StartupOptions {
  readonly nodeName: string;
  readonly settings: NodeSettings;
  /** Version this agent claims to be compatible with: `v3.32.1`. */
  readonly calicoVersion: string;
}

export interface StartupDependencies extends DetectionDependencies {
  readonly resources: Resources;
  readonly log: Logger;
  readonly readInterfaces: () => Promise<readonly HostInterface[]>;
  readonly kernelHasIpv6: () => boolean;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Runs the start-up; resolves to the Node as it is stored. Throws E_BAD_CONFIG for settings that cannot be met. */
export async function startNode(options: StartupOptions, dependencies: StartupDependencies): Promise<Node> {
  const interfaces = await dependencies.readInterfaces();
  const addresses = await chooseAddresses(options, interfaces, dependencies);
  // A pool that cannot be made stops the start before the node shows itself to others.
  await ensurePools(options.settings, interfaces, dependencies);
  const node = await ensureNode(options, addresses, interfaces, dependencies.resources);
  await ensureFelixConfigurations(options.nodeName, dependencies.resources);
  await ensureClusterObjects(dependencies.resources);
  await ensureClusterInformation(options, dependencies);
  return node;
}

async function chooseAddresses(
  {nodeName, settings}: StartupOptions,
  interfaces: readonly HostInterface[],
  dependencies: StartupDependencies,
): Promise<NodeAddresses> {
  const {resources, log} = dependencies;
  const stored = await resources.get(Node, {name: nodeName});
  const addresses = await decideAddresses(settings, storedAddresses(stored), interfaces, dependencies);
  if (settings.checkAddressConflicts && settings.backend !== 'none') {
    requireUnique(nodeName, addresses, (await resources.list(Node)).resources);
  }
  log.info({node: nodeName, ...addresses}, 'node addresses');
  return addresses;
}

function ensureNode(
  {nodeName, settings}: StartupOptions,
  addresses: NodeAddresses,
  interfaces: readonly HostInterface[],
  resources: Resources,
): Promise<Node> {
  const families = requestedFamilies(settings);
  return resources.modify(Node, {name: nodeName}, (current) => {
    const base = current ?? Node.create({metadata: {name: nodeName}, spec: {}});
    const bgp = {
      ...base.spec.bgp,
      ...(settings.asNumber === undefined ? {} : {asNumber: settings.asNumber}),
      ipv4Address: addresses.ipv4,
      ipv6Address: addresses.ipv6,
    };
    const spec = {
      ...base.spec,
      ...(Object.values(bgp).some((value) => value !== undefined) ? {bgp} : {}),
      ...(families.length === 0 ? {} : {interfaces: reportedInterfaces(interfaces, families)}),
      ...(settings.orchestratorNodeName === undefined
        ? {}
        : {orchRefs: [{nodeName: settings.orchestratorNodeName, orchestrator: 'k8s'}]}),
    };
    const changed = {...base, spec} as Node;
    return current !== undefined && Node.encode(changed) === Node.encode(current) ? current : changed;
  });
}

async function ensurePools(
  settings: NodeSettings,
  interfaces: readonly HostInterface[],
  {resources, log, kernelHasIpv6, randomBytes}: StartupDependencies,
): Promise<void> {
  const {resources: pools} = await resources.list(IPPool);
  const wanted = defaultPools(settings, {
    existing: pools.flatMap((pool) => parseCidr(pool.spec.cidr) ?? []),
    hostAddresses: interfaces.flatMap((link) => link.addresses.map((address) => address.ip)),
    kernelHasIpv6: kernelHasIpv6(),
    randomBytes: () => randomBytes(5),
  });
  for (const {name, spec} of wanted) {
    try {
      await resources.create(IPPool, IPPool.create({metadata: {name}, spec}));
      log.info({pool: name, cidr: spec.cidr}, 'default pool created');
    } catch (error) {
      // Another node that starts now was faster.
      if (!hasCode(error, 'E_EXISTS')) throw error;
    }
  }
}

/** As Calico's start-up leaves them: fields that are set stay. */
async function ensureFelixConfigurations(nodeName: string, resources: Resources): Promise<void> {
  const ensure = async (name: string, wanted: Readonly<Record<string, string>>) => {
    await resources.modify(FelixConfiguration, {name}, (current) => {
      if (current === undefined) return FelixConfiguration.create({metadata: {name}, spec: {...wanted}});
      const fields: Readonly<Record<string, unknown>> = current.spec;
      const missing = Object.entries(wanted).filter(([field]) => fields[field] === undefined);
      return missing.length === 0 ? current : {...current, spec: {...current.spec, ...Object.fromEntries(missing)}};
    });
  };
  await ensure('default', {logSeverityScreen: 'Info', reportingInterval: '0s'});
  await ensure(`node.${nodeName}`, {defaultEndpointToHostAction: 'Return'});
}

/** What others expect to be there, whether this agent acts on it or not; what is there stays as it is. */
async function ensureClusterObjects(resources: Resources): Promise<void> {
  const name = 'default';
  await resources.modify(
    BGPConfiguration,
    {name},
    (current) => current ?? BGPConfiguration.create({metadata: {name}, spec: {}}),
  );
  for (const [tier, spec] of BUILT_IN_TIERS)
    await resources.modify(
      Tier,
      {name: tier},
      (current) => current ?? Tier.create({metadata: {name: tier}, spec: {...spec}}),
    );
}

async function ensureClusterInformation(
  {settings, calicoVersion}: StartupOptions,
  {resources, randomBytes}: StartupDependencies,
): Promise<void> {
  await resources.modify(ClusterInformation, {name: 'default'}, (current) => {
    const base = current ?? ClusterInformation.create({metadata: {name: 'default'}, spec: {}});
    const types = new Set([...(base.spec.clusterType ?? '').split(','), ...settings.clusterTypes].filter(Boolean));
    const spec = {
      ...base.spec,
      clusterGUID: base.spec.clusterGUID ?? Buffer.from(randomBytes(16)).toString('hex'),
      ...(types.size === 0 ? {} : {clusterType: [...types].join(',')}),
      calicoVersion,
      datastoreReady: base.spec.datastoreReady ?? true,
    };
    const changed = {...base, spec};
    return current !== undefined && ClusterInformation.encode(changed) === ClusterInformation.encode(current)
      ? current
      : changed;
  });
}
