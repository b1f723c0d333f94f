/**
 * `calicoctl datastore migrate export`: the contents of the datastore as one text, for `import`. By default it is what a
 * Kubernetes datastore takes, byte for byte as Calico prints it; with `--target` it is what another etcd or an embedded
 * store takes, which is more: nothing there comes from Kubernetes by itself.
 *
 * Three parts, separated by lines `===`: resources as YAML, a list of each kind; the ClusterInformation; IPAM.
 */
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {ResourceKind} from '../../model/kind.ts';
import {BGPConfiguration} from '../../model/kinds/bgp-configuration.ts';
import {BGPFilter} from '../../model/kinds/bgp-filter.ts';
import {BGPPeer} from '../../model/kinds/bgp-peer.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {FelixConfiguration} from '../../model/kinds/felix-configuration.ts';
import {GlobalNetworkPolicy} from '../../model/kinds/global-network-policy.ts';
import {GlobalNetworkSet} from '../../model/kinds/global-network-set.ts';
import {HostEndpoint} from '../../model/kinds/host-endpoint.ts';
import {IPPool} from '../../model/kinds/ip-pool.ts';
import {IPReservation} from '../../model/kinds/ip-reservation.ts';
import {KubeControllersConfiguration} from '../../model/kinds/kube-controllers-configuration.ts';
import {NetworkPolicy} from '../../model/kinds/network-policy.ts';
import {NetworkSet} from '../../model/kinds/network-set.ts';
import {Node} from '../../model/kinds/node.ts';
import {DEFAULT_ALLOW_PROFILE, Profile} from '../../model/kinds/profile.ts';
import {StagedGlobalNetworkPolicy} from '../../model/kinds/staged-global-network-policy.ts';
import {StagedKubernetesNetworkPolicy} from '../../model/kinds/staged-kubernetes-network-policy.ts';
import {StagedNetworkPolicy} from '../../model/kinds/staged-network-policy.ts';
import {Tier} from '../../model/kinds/tier.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, usageFailure, VERSION_FLAG} from '../command-line.ts';
import {loadStoreConfig} from '../configuration.ts';
import {notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {readIpamSection} from '../migration/ipam-section.ts';
import {NodeNames} from '../migration/node-names.ts';
import {printIndentedJson} from '../output/json-text.ts';
import {printYaml} from '../output/yaml-text.ts';
import {fetchAll} from '../resource-reader.ts';
import {requireLock} from '../rules/datastore-lock.ts';
import {isOfKubernetes} from '../rules/read-only.ts';
import {scalarText} from '../scalar-text.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'datastore migrate export',
  help: 'Prints the contents of the datastore, for `datastore migrate import`. The datastore must be locked.',
  flags: [
    {
      long: 'target',
      value: 'TYPE',
      help: 'what it is for: kubernetes (default), etcdv3 or embedded, which also take what Kubernetes would provide',
    },
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

/** In this order; what names nodes comes after them. */
const FOR_KUBERNETES: readonly ResourceKind[] = [
  IPPool,
  BGPPeer,
  Tier,
  GlobalNetworkPolicy,
  StagedGlobalNetworkPolicy,
  GlobalNetworkSet,
  HostEndpoint,
  KubeControllersConfiguration,
  NetworkPolicy,
  StagedNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  NetworkSet,
  Node,
  BGPConfiguration,
  FelixConfiguration,
  IPReservation,
  BGPFilter,
];
/** What Kubernetes has of its own: from pods, namespaces and service accounts. */
const BEYOND_KUBERNETES: readonly ResourceKind[] = [Profile, WorkloadEndpoint];

export async function runDatastoreExport(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const target = args.value('target') ?? 'kubernetes';
  if (!['kubernetes', 'etcdv3', 'embedded'].includes(target))
    throw usageFailure(
      'datastore migrate export',
      `--target is ${JSON.stringify(target)}: it must be kubernetes, etcdv3 or embedded`,
    );
  const {type} = await loadStoreConfig(io, args.value('config'));
  if (type === 'kubernetes')
    throw new Failure(
      `invalid datastore type: ${type} to export from for datastore migration. Datastore type must be etcdv3`,
    );
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    await requireLock(session, 'to begin migration');
    if (target === 'kubernetes') await exportForKubernetes(session);
    else await exportWhole(session);
    return 0;
  });
}

async function exportForKubernetes(session: Session): Promise<void> {
  const names = new NodeNames();
  for (const kind of FOR_KUBERNETES)
    await printKind(session, kind, (items) => {
      if (kind.kind === Node.kind) for (const node of items) names.add(node);
      return items
        .filter((item) => kind.kind !== NetworkPolicy.kind || !isOfKubernetes(nameIn(item)))
        .map((item) => renamed(kind, item, names));
    });
  await printRest(session, names);
}

async function exportWhole(session: Session): Promise<void> {
  for (const kind of [...FOR_KUBERNETES, ...BEYOND_KUBERNETES])
    await printKind(session, kind, (items) => items.filter((item) => nameIn(item) !== DEFAULT_ALLOW_PROFILE));
  await printRest(session, new NodeNames());
}

async function printKind(
  session: Session,
  kind: ResourceKind,
  change: (items: readonly JsonObject[]) => readonly JsonObject[],
): Promise<void> {
  const scope = {namespace: undefined, allNamespaces: kind.namespaced, forExport: false};
  const target = {kind, name: '', namespace: undefined, document: undefined};
  const {results, errors} = await fetchAll(session, [target], scope);
  if (errors.length > 0) throw new Failure(errors.join('\n'));
  for (const {resources, whole} of results) {
    const items = change(resources.map(withoutBirth));
    session.io.out(printYaml({...whole, items}));
  }
  session.io.out('---\n');
}

/** What only the old datastore knows of a resource. */
const BIRTH = ['uid', 'resourceVersion', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'];

function withoutBirth(resource: JsonObject): JsonObject {
  const metadata = Object.entries(metadataOf(resource)).filter(([name]) => !BIRTH.includes(name));
  return {...resource, metadata: Object.fromEntries(metadata)};
}

const metadataOf = ({metadata}: JsonObject): JsonObject => (isJsonObject(metadata) ? metadata : {});
const nameIn = (resource: JsonObject): string => scalarText(metadataOf(resource).name);

/** As the kind is in Kubernetes. */
function renamed(kind: ResourceKind, resource: JsonObject, names: NodeNames): JsonObject {
  const named = (name: string): JsonObject => ({...resource, metadata: {...metadataOf(resource), name}});
  const name = nameIn(resource);
  switch (kind.kind) {
    case Node.kind:
      return named(names.of(name));
    case BGPConfiguration.kind:
      return named(names.ofConfiguration(name));
    case FelixConfiguration.kind:
      return withCapitals(named(names.ofConfiguration(name)));
    default:
      return resource;
  }
}

/** Actions that the first releases took in any case (`DROP`); Kubernetes takes them in one only. */
const ACTIONS = [
  'defaultEndpointToHostAction',
  'iptablesFilterAllowAction',
  'iptablesMangleAllowAction',
  'iptablesFilterDenyAction',
];

function withCapitals(configuration: JsonObject): JsonObject {
  const {spec} = configuration;
  if (!isJsonObject(spec)) return configuration;
  const fields = Object.entries(spec).map(([field, value]): [string, JsonValue | undefined] => [
    field,
    ACTIONS.includes(field) && typeof value === 'string' && value !== ''
      ? `${value.charAt(0).toUpperCase()}${value.slice(1).toLowerCase()}`
      : value,
  ]);
  return {...configuration, spec: Object.fromEntries(fields)};
}

async function printRest(session: Session, names: NodeNames): Promise<void> {
  const {io, resources, call} = session;
  const id = {name: 'default'};
  io.out('===\n');
  const cluster = await resources.get(ClusterInformation, id, call);
  if (cluster === undefined) throw new Failure(notThere(ClusterInformation, id));
  io.out(`${printIndentedJson(ClusterInformation.toJson(cluster))}\n`);
  io.out('===\n');
  io.out(`${printIndentedJson(await readIpamSection(session, names))}\n`);
}
