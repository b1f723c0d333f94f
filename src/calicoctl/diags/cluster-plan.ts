/** What is collected of a cluster, as command lines for kubectl: pure. No Secret is ever asked for. */
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import {valueAt} from '../output/columns.ts';
import {scalarText} from '../scalar-text.ts';

/** One question to kubectl, and where the answer goes. */
export interface Query {
  readonly args: readonly string[];
  readonly file: string;
}

const EVERYWHERE = ['-A'];
const RESOURCES = [
  'daemonsets',
  'deployments',
  'endpointslices',
  'events',
  'pods',
  'services',
  'statefulsets',
  'networkpolicies.networking.k8s.io',
];
const OF_CLUSTER = [
  'nodes',
  'namespaces',
  'apiservices.apiregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
];

/** Of Kubernetes itself. */
export function clusterQueries(): readonly Query[] {
  return [
    {args: ['version', '-o', 'yaml'], file: 'cluster/version.yaml'},
    ...RESOURCES.flatMap((resource) => bothForms(resource, EVERYWHERE, 'kubernetes')),
    ...OF_CLUSTER.flatMap((resource) => bothForms(resource, [], 'kubernetes')),
  ];
}

/** Of Calico: resources by their full name, however they are served. */
export const calicoQueries = (resources: readonly string[]): readonly Query[] =>
  resources.flatMap((resource) => bothForms(resource, EVERYWHERE, 'crd'));

export const namespaceQueries = (namespace: string): readonly Query[] => [
  {args: ['get', 'configmaps', '-n', namespace, '-o', 'yaml'], file: `cluster/${namespace}/configmaps.yaml`},
  {args: ['get', 'all', '-n', namespace, '-o', 'yaml'], file: `cluster/${namespace}/all.yaml`},
  {args: ['get', 'all', '-n', namespace, '-o', 'wide'], file: `cluster/${namespace}/all.txt`},
];

const bothForms = (resource: string, scope: readonly string[], folder: string): readonly Query[] =>
  (['yaml', 'wide'] as const).map((form) => ({
    args: ['get', resource, ...scope, '-o', form],
    file: `cluster/${folder}/${resource}.${form === 'yaml' ? 'yaml' : 'txt'}`,
  }));

/** Names of resources in the answers to `get customresourcedefinitions -o name` and `api-resources -o name`. */
export function calicoResources(...answers: readonly string[]): readonly string[] {
  const names = answers.flatMap((answer) => answer.split('\n').map((line) => line.trim().replace(/^.*\//, '')));
  return [
    ...new Set(names.filter((name) => /^[a-z0-9.-]+\.(?:projectcalico\.org|operator\.tigera\.io)$/.test(name))),
  ].sort();
}

/** Namespaces that Calico may live in, of the answer to `get namespaces -o name`. */
export const calicoNamespaces = (answer: string): readonly string[] =>
  answer
    .split('\n')
    .map((line) => line.trim().replace(/^namespace\//, ''))
    .filter((name) => /^[a-z0-9-]+$/.test(name) && (name === 'kube-system' || /calico|tigera/.test(name)));

export interface PodChoice {
  readonly focusNodes: readonly string[];
  /** Of each component. */
  readonly most: number;
  /** As kubectl has it: `30m`. */
  readonly since: string;
}

export interface CalicoPod {
  readonly name: string;
  readonly node: string;
  readonly component: string;
  readonly restarted: readonly string[];
}

/** Calico's pods in the answer to `get pods -o json`. */
export function calicoPods(answer: JsonValue): readonly CalicoPod[] {
  const items = isJsonObject(answer) ? answer.items : undefined;
  if (!Array.isArray(items)) return [];
  return items.filter(isJsonObject).flatMap((pod): readonly CalicoPod[] => {
    const name = scalarText(valueAt(pod, 'metadata.name'));
    const labels = valueAt(pod, 'metadata.labels');
    const label = isJsonObject(labels) ? scalarText(labels['k8s-app'] ?? labels['app.kubernetes.io/name']) : '';
    if (!/^[a-z0-9][a-z0-9.-]*$/.test(name) || !/calico|typha|tigera/.test(`${name} ${label}`)) return [];
    const node = scalarText(valueAt(pod, 'spec.nodeName'));
    return [{name, node, component: label || name.replace(/-[a-z0-9]+$/, ''), restarted: restartedIn(pod)}];
  });
}

/** Containers whose earlier life left logs: those tell why it ended. */
function restartedIn(pod: JsonObject): readonly string[] {
  const statuses = ['status.containerStatuses', 'status.initContainerStatuses'].flatMap((path) => {
    const list = valueAt(pod, path);
    return Array.isArray(list) ? list.filter(isJsonObject) : [];
  });
  return statuses.flatMap(({name, restartCount}) => (Number(restartCount ?? 0) > 0 ? [scalarText(name)] : []));
}

/** The pods whose logs are collected: of each component so many, those on the nodes in focus first. */
export function chosenPods(pods: readonly CalicoPod[], {focusNodes, most}: PodChoice): readonly CalicoPod[] {
  const rank = ({node}: CalicoPod): number => {
    const at = focusNodes.indexOf(node);
    return at < 0 ? focusNodes.length : at;
  };
  return [...Map.groupBy(pods, ({component}) => component).values()].flatMap((all) =>
    all.toSorted((a, b) => rank(a) - rank(b)).slice(0, most),
  );
}

export function podQueries(namespace: string, pod: CalicoPod, since: string): readonly Query[] {
  const base = `nodes/${pod.node === '' ? 'none' : pod.node.replaceAll('/', '_')}/${namespace}/${pod.name}`;
  const logs = ['logs', `--since=${since}`, '-n', namespace, pod.name];
  return [
    {args: [...logs, '--all-containers'], file: `${base}.log`},
    {args: ['describe', 'pod', '-n', namespace, pod.name], file: `${base}.txt`},
    ...pod.restarted.map((container) => ({
      args: [...logs, '--previous', '-c', container],
      file: `${base}.${container}.previous.log`,
    })),
  ];
}
