/**
 * `datastore migrate export` prints what Calico's printed on the same datastore, and `import` makes an equal one of it: on
 * etcd and on the embedded store, and also when it breaks off half-way.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {EtcdStore} from '../../../src/datastore/etcd/etcd-store.ts';
import {parseEtcdSettings} from '../../../src/datastore/etcd/settings.ts';
import type {Operation, Store} from '../../../src/datastore/store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {CalicoctlRig, type RunOptions} from '../../helpers/calicoctl-rig.ts';
import {EtcdServer} from '../../helpers/etcd-server.ts';

const FIXTURES = new URL('../../fixtures/calicoctl/', import.meta.url);
const RESOURCES = '/calico/resources/v3/projectcalico.org/';
const CLUSTER = `${RESOURCES}clusterinformations/default`;
const LEFT_BEHIND = /^\/calico\/felix\//;

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());

type Content = ReadonlyMap<string, string>;

/** A captured datastore, locked. */
function storeOf(name: string): Map<string, string> {
  const lines = readFileSync(new URL(`stores/${name}.jsonl`, FIXTURES), 'utf8').split('\n');
  const pairs = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as {key: string; value: string});
  const content = new Map(pairs.map(({key, value}) => [key, value]));
  const cluster = content.get(CLUSTER) ?? '';
  return content.set(CLUSTER, cluster.replace('"datastoreReady":true', '"datastoreReady":false'));
}

/** The same with nodes known to Kubernetes as `k8s-NAME`. */
function ofKubernetes(content: Map<string, string>, names: readonly string[]): Map<string, string> {
  for (const name of names) {
    const key = `${RESOURCES}nodes/${name}`;
    const node = JSON.parse(content.get(key) ?? '') as {spec: Record<string, unknown>};
    node.spec.orchRefs = [{nodeName: `k8s-${name}`, orchestrator: 'k8s'}];
    content.set(key, JSON.stringify(node));
  }
  return content;
}

const expectedExport = (name: string): string => readFileSync(new URL(`exports/${name}.txt`, FIXTURES), 'utf8');

const withoutVarying = (text: string): string =>
  text
    .replace(/(resourceVersion"?: )"\d+"/g, '$1"N"')
    .replace(/("(?:uid|creationTimestamp|clusterGUID)": )"[^"]*"/g, '$1"V"');

async function exported(args: readonly string[] = [], options: RunOptions = {}): Promise<string> {
  const {exit, stdout, stderr} = await rig.run(['datastore', 'migrate', 'export', ...args], options);
  t.same([exit, stderr], [0, '']);
  return stdout;
}

void t.test('an export is what Calico prints', async (t) => {
  await rig.load(new Map());
  await rig.run(['datastore', 'migrate', 'lock']);
  t.equal(
    withoutVarying(await exported()),
    withoutVarying(expectedExport('empty').replace(/ +"calicoVersion".*\n/, '')),
  );

  const staged = ['stagednetworkpolicies/prod/snp-full', 'stagedkubernetesnetworkpolicies/prod/sknp-full'];
  const resources = ofKubernetes(storeOf('resources'), ['node1', 'node-min']);
  const fewer = new Map(resources);
  for (const name of staged) t.ok(fewer.delete(`${RESOURCES}${name}`), name);
  await rig.load(fewer);
  t.equal(withoutVarying(await exported()), withoutVarying(expectedExport('resources')));
  await rig.load(resources);
  const all = await exported();
  for (const name of ['snp-full', 'sknp-full']) t.match(all, `    name: ${name}\n    namespace: prod\n`);

  await rig.load(ofKubernetes(storeOf('06-dual-stack-pod'), ['node1', 'node2']));
  const theirs = expectedExport('06-dual-stack-pod').replaceAll('vxlan-v6-tunnel-addr-', 'vxlan-v6-tunnel-addr-k8s-');
  t.equal(withoutVarying(await exported()), withoutVarying(theirs), 'nodes and all that is theirs under new names');
});

void t.test('an export that would lose something is refused', async (t) => {
  const run = (options: RunOptions = {}) => rig.run(['datastore', 'migrate', 'export'], options);
  await rig.load(storeOf('resources'));
  const {exit, stdout, stderr} = await run();
  t.same(
    [exit, stderr],
    [
      1,
      "unable to process metadata for export for Node resource: node node-min missing a 'k8s' orchestrator reference. Unable to export data unless every node has a 'k8s' orchestrator reference\n",
    ],
  );
  t.match(stdout, /kind: NetworkSetList\nmetadata:\n {2}resourceVersion: "\d+"\n---\n$/, 'what comes before the nodes');

  await rig.load(storeOf('resources').set(`${RESOURCES}ippools/broken`, '{"kind":"IPPool"'));
  t.match(await run(), {exit: 1, stderr: /ippools\/broken/});

  await rig.load(new Map());
  t.same(await run(), {
    exit: 1,
    stdout: '',
    stderr:
      'error while checking if datastore was locked: error retrieving ClusterInformation: resource does not exist: ClusterInformation(default) with error: <nil>\n',
  });
  await rig.run(['datastore', 'migrate', 'lock']);
  await rig.run(['datastore', 'migrate', 'unlock']);
  t.same(await run(), {
    exit: 1,
    stdout: '',
    stderr: 'datastore is not locked. Run the `calicoctl datastore migrate lock` command in order to begin migration\n',
  });
  t.match(await run({environment: {DATASTORE_TYPE: 'kubernetes'}}), {
    exit: 1,
    stdout: '',
    stderr:
      'invalid datastore type: kubernetes to export from for datastore migration. Datastore type must be etcdv3\n',
  });
  t.match(await rig.run(['datastore', 'migrate', 'export', '--target=consul']), {
    exit: 1,
    stderr: /^--target is "consul": it must be kubernetes, etcdv3 or embedded\nUsage:/,
  });
});

/** Without what every datastore gives a resource itself, and what agents report. */
function comparable(content: Content): Readonly<Record<string, unknown>> {
  const entries = [...content].filter(([key]) => !LEFT_BEHIND.test(key)).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      value.replace(/"uid":"[^"]*",?/, '').replace(/"creationTimestamp":"[^"]*",?/, ''),
    ]),
  );
}

const IMPORT = ['datastore', 'migrate', 'import', '-f', 'exported.txt'];

async function contentOf(store: Store): Promise<Content> {
  return new Map((await store.list('/')).entries.map(({key, value}) => [key, value]));
}

void t.test('from etcd to an embedded store to another etcd: everything equal', async (t) => {
  for (const name of ['resources', '11-borrowed']) {
    const [first, second] = await Promise.all([EtcdServer.start(t), EtcdServer.start(t)]);
    const open = ({endpoint}: EtcdServer): EtcdStore =>
      new EtcdStore({settings: parseEtcdSettings({endpoints: endpoint})}, {clock: systemClock, log: silentLogger});
    const [source, copy] = [open(first), open(second)];
    t.teardown(() => Promise.all([source.close(), copy.close()]));
    const environmentOf = ({endpoint}: EtcdServer) => ({DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: endpoint});
    const content = storeOf(name);
    const puts = [...content].map(([key, value]): Operation => ({kind: 'put', key, value}));
    for (let start = 0; start < puts.length; start += 50) await source.commit(puts.slice(start, start + 50));

    writeFileSync(
      join(folder, 'exported.txt'),
      await exported(['--target=embedded'], {environment: environmentOf(first)}),
    );
    await rig.load(new Map());
    const resources = [...content.keys()].filter((key) => key.startsWith(RESOURCES)).length - 1;
    const ipam = [...content.keys()].filter((key) => key.startsWith('/calico/ipam/')).length;
    t.same(await rig.run(IMPORT), {
      exit: 0,
      stderr: '',
      stdout: `Successfully applied ${resources} resource(s)\nImporting IPAM resources\nSuccessfully applied ${ipam} IPAM resource(s)\nDatastore information successfully imported. Please refer to the datastore migration documentation for next steps.\n`,
    });
    t.same(comparable(await rig.content()), comparable(content), `${name} in the embedded store`);

    writeFileSync(join(folder, 'exported.txt'), await exported(['--target=etcdv3']));
    t.match(await rig.run(IMPORT, {environment: environmentOf(second)}), {exit: 0, stderr: ''});
    t.same(comparable(await contentOf(copy)), comparable(content), `${name} in another etcd`);
    t.match(await rig.run(['datastore', 'migrate', 'unlock'], {environment: environmentOf(second)}), {exit: 0});
  }
});

void t.test('an import that breaks off says how far it came, and goes on when it is run again', async (t) => {
  const content = storeOf('11-borrowed');
  await rig.load(content);
  writeFileSync(join(folder, 'exported.txt'), await exported(['--target=embedded']));
  await rig.load(new Map());
  // The lock is 4 commits, the resources are two, the records of IPAM two: the last of these is lost.
  let commits = 0;
  const through = (store: Store): Store => ({
    capabilities: store.capabilities,
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    watch: (...args) => store.watch(...args),
    close: () => store.close(),
    commit: (...args) =>
      ++commits === 8
        ? Promise.reject(new AgentError('E_UNREACHABLE', 'etcd http://10.0.0.1:2379: the cable is out'))
        : store.commit(...args),
  });
  const broken = await rig.run(IMPORT, {through});
  t.equal(broken.exit, 1);
  t.match(
    broken.stderr,
    /^64 of 96 were written, then IPAM handle \S+ could not be: etcd http:\/\/10\.0\.0\.1:2379: the cable is out\. .*\nThe datastore stays locked\. Import the same file again: it goes on where this ended\n$/,
  );
  t.match((await rig.content()).get(CLUSTER), /"datastoreReady":false/);
  t.notSame(comparable(await rig.content()), comparable(content));
  t.match(await rig.run(IMPORT), {exit: 0, stderr: ''});
  t.same(comparable(await rig.content()), comparable(content), 'the rest is there too, and nothing twice');
});

void t.test('nothing is written when something of the file or of the datastore is not right', async (t) => {
  await rig.load(storeOf('11-borrowed'));
  const good = await exported(['--target=embedded']);
  const refused = async (text: string, before: Content, message: RegExp): Promise<void> => {
    writeFileSync(join(folder, 'exported.txt'), text);
    await rig.load(before);
    t.match(await rig.run(IMPORT), {exit: 1, stdout: '', stderr: message});
    t.same(await rig.content(), before, 'the datastore is as it was');
  };
  const empty = new Map();
  await refused('apiVersion: v1\n', empty, /imported file: exported\.txt is improperly formatted/);
  await refused(
    good.replace('cidr: 10.244.0.0/16', 'cidr: 10.244.0.0/33'),
    empty,
    /^failed to import v3 resources: IPPool\(default-ipv4-ippool\): error with field spec\.cidr = '10\.244\.0\.0\/33'/,
  );
  await refused(
    good.replace('name: default-ipv6-ippool', 'name: default-ipv4-ippool'),
    empty,
    /has IPPool\(default-ipv4-ippool\) twice/,
  );
  await refused(
    good.replace('"state": "confirmed"', '"state": "guessed"'),
    empty,
    /^failed to read IPAM resources: \/calico\/ipam\/v2\/host\/node1\/ipv4\/block\/\S+: .*must be pending, confirmed or pendingDeletion/,
  );
  await refused(
    good.replace('/calico/ipam/v2/handle/', '/calico/ipam/v2/elsewhere/'),
    empty,
    /^failed to read IPAM resources: \/calico\/ipam\/v2\/elsewhere\/\S+ is not a key of handles/,
  );
  await refused(
    good.replace(/===\n\{[\s\S]*?\n\}\n===/, '===\n[]\n==='),
    empty,
    /^failed to update cluster information/,
  );
  const pool = storeOf('resources').get(`${RESOURCES}ippools/pool-min-v4`) ?? '';
  await refused(
    good,
    new Map([[`${RESOURCES}ippools/pool-min-v4`, pool]]),
    /^datastore already has Calico resources: found existing Calico IPPool resource pool-min-v4\. Import into an empty/,
  );
  await refused(
    good,
    new Map([['/calico/ipam/v2/handle/somebody', '{"block":{},"deleted":false}']]),
    /found existing IPAM resources \(\/calico\/ipam\/v2\/handle\/somebody\)/,
  );
  t.match(await rig.run(IMPORT.slice(0, 3)), {exit: 1, stderr: /^Usage:\n {2}calicoctl datastore migrate import/});
  t.match(await rig.run([...IMPORT.slice(0, 4), 'missing.txt']), {
    exit: 1,
    stderr: 'failed to execute command: open missing.txt: no such file or directory\n',
  });
});
