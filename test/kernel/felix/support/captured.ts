/** What real Calico v3.32.1 had in its datastore and in the kernel of its nodes (test/fixtures/felix). */
import {readFileSync} from 'node:fs';
import {parse} from 'yaml';
import {block, type Datastore, datastore, ready, resource, type Stored} from '../../../unit/felix/calc/cluster.ts';

export interface CapturedWorkload {
  readonly node: string;
  readonly pod: string;
  readonly if: string;
  readonly nets: readonly string[];
  readonly profiles: readonly string[];
  readonly mac: string;
}

interface Scenario {
  readonly nodes: string;
  readonly ippools: string;
  readonly workloads: readonly CapturedWorkload[];
  readonly kernel: Readonly<
    Record<string, {readonly routes: readonly {readonly type?: string; readonly dst: string}[]}>
  >;
}

/** What `ip -j` and `bridge -j` printed. */
export interface Printed {
  readonly [field: string]: unknown;
  readonly family?: string;
  readonly ifname?: string;
  readonly address?: string;
  readonly local?: string;
  readonly prefixlen?: number;
  readonly scope?: string;
  readonly dev?: string;
  readonly dst?: string;
  readonly gateway?: string;
  readonly addr_info?: readonly Printed[];
}

export interface CapturedNode {
  readonly links: readonly Printed[];
  readonly addresses: readonly Printed[];
  readonly routes: readonly Printed[];
  readonly neighbours: readonly Printed[];
  readonly fdb: readonly Printed[];
  /** `path = value`: what differs from an untouched veth. */
  readonly sysctls: readonly string[];
  readonly hostSysctls: readonly string[];
}

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../../fixtures/felix/${name}`, import.meta.url), 'utf8'));

const scenarios: Readonly<Record<string, Scenario>> = read('kernel.json');
const states: Readonly<Record<string, Readonly<Record<string, CapturedNode>>>> = read('kernel-state.json');

export function capturedNode(scenario: string, node: string): CapturedNode {
  const state = states[scenario]?.[node];
  if (state === undefined) throw new Error(`no capture of ${node} in ${scenario}`);
  return state;
}

export function capturedWorkloads(scenario: string, node: string): readonly CapturedWorkload[] {
  return scenarioNamed(scenario).workloads.filter((workload) => workload.node === node);
}

/** The datastore. Blocks were not captured, but each node has a blackhole for each of its own. */
export function capturedDatastore(scenario: string): Datastore {
  const {ippools, kernel, nodes, workloads} = scenarioNamed(scenario);
  const listed = (kind: string, text: string): Stored[] =>
    parse(text).items.map((item: {metadata: {name: string}; spec: unknown}) =>
      resource(kind, item.metadata.name, item.spec),
    );
  const blocks = Object.entries(kernel).flatMap(([owner, {routes}]) =>
    routes.filter(({type}) => type === 'blackhole').map(({dst}) => block(dst, owner)),
  );
  const endpoints = workloads.map(({node, pod, if: interfaceName, nets, profiles, mac}) =>
    resource(
      'WorkloadEndpoint',
      `${node}-cni-${pod}-eth0`,
      {orchestrator: 'cni', node, containerID: pod, endpoint: 'eth0', ipNetworks: nets, profiles, interfaceName, mac},
      {namespace: 'default'},
    ),
  );
  return datastore(ready(), ...listed('Node', nodes), ...listed('IPPool', ippools), ...blocks, ...endpoints);
}

function scenarioNamed(name: string): Scenario {
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario;
}
