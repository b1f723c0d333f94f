/** What an ADD may take for certain without asking, and what a network configuration may not say. */
import t from 'tap';
import {AgentSettings} from '../../../src/cni/agent-settings.ts';
import {NodeView} from '../../../src/cni/node-view.ts';
import {parseJsonObject} from '../../../src/lib/exact-json.ts';
import {type LogFields, type Logger, silentLogger} from '../../../src/lib/log.ts';
import {ClusterInformation} from '../../../src/model/kinds/cluster-information.ts';
import {Profile} from '../../../src/model/kinds/profile.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';

const information = (datastoreReady: boolean) =>
  ClusterInformation.encode(ClusterInformation.create({metadata: {name: 'default'}, spec: {datastoreReady}}));
const CLUSTER = ClusterInformation.key({name: 'default'});
const PROFILE = Profile.key({name: 'net'});
const endpointKey = (name: string) => WorkloadEndpoint.key({namespace: 'ns', name});
const prefix = (name: string) => `${WorkloadEndpoint.prefix('ns')}${name}`;

void t.test('nothing is certain before the watch is in sync', async (t) => {
  const view = new NodeView({nodeName: 'node-1'});
  view.onUpdates([
    {key: CLUSTER, value: information(true), revision: '1'},
    {key: PROFILE, value: '{}', revision: '2'},
  ]);
  t.notOk(view.isReadyFor('net'));
  t.notOk(view.hasNoEndpoint(prefix('node--1-k8s-a-')));
  view.onStatus('in-sync');
  t.ok(view.isReadyFor('net'));
  t.ok(view.hasNoEndpoint(prefix('node--1-k8s-a-')));
  t.notOk(view.isReadyFor('other'), 'its profile is not there');
  view.onUpdates([{key: CLUSTER, value: information(false), revision: '3'}]);
  t.notOk(view.isReadyFor('net'));
  view.onUpdates([{key: CLUSTER, value: '{broken', revision: '4'}]);
  t.notOk(view.isReadyFor('net'));
  view.onUpdates([{key: CLUSTER, value: undefined, revision: '5'}]);
  t.notOk(view.isReadyFor('net'));
  view.onStatus('waiting');
  t.notOk(view.hasNoEndpoint(prefix('node--1-k8s-a-')));
});

void t.test('endpoints: those of the watch, and our own until it tells of them', async (t) => {
  const view = new NodeView({nodeName: 'node-1'});
  view.onStatus('in-sync');
  const mine = endpointKey('node--1-k8s-a-eth0');
  view.onUpdates([{key: endpointKey('node--2-k8s-a-eth0'), value: '{}', revision: '1'}]);
  t.ok(view.hasNoEndpoint(prefix('node--2-')), "other nodes' are nobody's business");
  view.note(mine, '7');
  t.notOk(view.hasNoEndpoint(prefix('node--1-k8s-a-')));
  view.onUpdates([{key: mine, value: undefined, revision: '3'}]);
  t.notOk(view.hasNoEndpoint(prefix('node--1-k8s-a-')), 'older news does not tell of our write');
  view.onUpdates([{key: mine, value: '{}', revision: '7'}]);
  view.note(mine, undefined);
  view.onUpdates([{key: mine, value: undefined, revision: '8'}]);
  t.ok(view.hasNoEndpoint(prefix('node--1-k8s-a-')));
});

void t.test("settings that are the agent's: refused, or named once", async (t) => {
  const warnings: LogFields[] = [];
  const log: Logger = {...silentLogger, warn: (fields) => warnings.push(fields)};
  const settings = new AgentSettings({nodeName: 'node1', datastoreType: 'embedded'}, {log});
  const compare = (json: string, isAdd = true) => settings.compare('net', parseJsonObject(json), {isAdd});
  for (const json of [
    '{"nodename": "node2"}',
    '{"datastore_type": "zzz"}',
    '{"dataplane_options": {"type": "grpc"}}',
    '{"readiness_gates": ["::bad"]}',
    '{"readiness_gates": [5]}',
  ])
    t.throws(() => compare(json), {code: 'E_CNI_BAD_FIELD'}, json);
  compare('{"readiness_gates": ["::bad"]}', false);
  t.same(warnings, []);
  const odd =
    '{"nodename": "node1", "datastore_type": "etcdv3", "etcd_endpoints": "http://x", "log_file_path": "/x", "kubernetes": {"kubeconfig": "/x"}, "policy": {"k8s_auth_token": "secret"}, "readiness_gates": ["http://x/"]}';
  compare(odd);
  compare(odd);
  t.same(
    warnings.map(({field}) => field),
    [
      'readiness_gates',
      'datastore_type',
      'log_file_path',
      'etcd_endpoints',
      'policy.k8s_auth_token',
      'kubernetes.kubeconfig',
    ],
  );
  t.notMatch(JSON.stringify(warnings), /secret/);
  compare('{"datastore_type": "embedded", "nodename_file": "/var/lib/calico/nodename"}');
  t.equal(warnings.length, 6, 'what is as ours is not worth a word');
});
