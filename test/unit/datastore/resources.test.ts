/** Resources over the embedded store: what create, update, apply, modify and delete demand and fill in. */
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {Resources} from '../../../src/datastore/resources.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {GlobalNetworkPolicy} from '../../../src/model/kinds/global-network-policy.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';

const PREFIX = '/calico/resources/v3/projectcalico.org/';
const NOW = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

async function setUp(t: Test): Promise<{store: EmbeddedStore; resources: Resources; other: Resources}> {
  const folder = join(t.testdir(), 'store');
  const store = await EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  const clock = {...systemClock, wallMs: () => NOW};
  let uids = 0;
  const uuid = () => `uid-${++uids}`;
  return {store, resources: new Resources({store, clock, uuid}), other: new Resources({store, clock: systemClock})};
}

const pool = (name: string, cidr: string) => IPPool.create({...HEAD, metadata: {name}, spec: {cidr}});
/** JSON.stringify knows no large integers. */
const bigintAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
const HEAD = {kind: 'IPPool', apiVersion: 'projectcalico.org/v3'};

await t.test('create fills in who and when, and reads back the same', async (t) => {
  const {store, resources} = await setUp(t);
  const created = await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  t.match(created.metadata, {name: 'a', uid: 'uid-1', creationTimestamp: '2026-02-03T04:05:06Z'});
  t.type(created.metadata.resourceVersion, 'string');
  t.same(await resources.get(IPPool, {name: 'a'}), created);
  const entry = await store.get(`${PREFIX}ippools/a`);
  t.equal(entry?.revision, created.metadata.resourceVersion);
  t.notMatch(entry?.value, 'resourceVersion', 'the revision is the store’s');
  t.match(entry?.value, '"uid":"uid-1","creationTimestamp":"2026-02-03T04:05:06Z"');
  await t.rejects(resources.create(IPPool, pool('a', '10.66.0.0/16')), {code: 'E_EXISTS'});
  await t.rejects(resources.create(IPPool, created), {code: 'E_INVALID_RESOURCE', message: /metadata.resourceVersion/});
  t.equal(await resources.get(IPPool, {name: 'none'}), undefined);
});

await t.test('a uid is a random version 4 UUID', async (t) => {
  const {other} = await setUp(t);
  const {metadata} = await other.create(IPPool, pool('a', '10.65.0.0/16'));
  t.match(metadata.uid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

await t.test('what breaks a rule of the kind is not written', async (t) => {
  const {store, resources} = await setUp(t);
  const good = pool('a', '10.65.0.0/16');
  const bad = {...good, spec: {...good.spec, cidr: '10.65.0.1/16'}};
  await t.rejects(resources.create(IPPool, bad), {code: 'E_INVALID_RESOURCE', message: /spec.cidr/});
  await t.rejects(resources.apply(IPPool, bad), {code: 'E_INVALID_RESOURCE'});
  t.same((await store.list(PREFIX)).entries, []);
});

await t.test('update demands the revision that was read', async (t) => {
  const {resources, other} = await setUp(t);
  const created = await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  const disabled = {...created, spec: {...created.spec, disabled: true}};
  const updated = await other.update(IPPool, disabled);
  t.equal(updated.spec.disabled, true);
  t.equal(updated.metadata.uid, created.metadata.uid);
  t.not(updated.metadata.resourceVersion, created.metadata.resourceVersion);
  t.same(await resources.get(IPPool, {name: 'a'}), updated);
  await t.rejects(resources.update(IPPool, disabled), {code: 'E_CONFLICT'});
  await t.rejects(resources.update(IPPool, pool('a', '10.65.0.0/16')), {
    code: 'E_INVALID_RESOURCE',
    message: /metadata.resourceVersion/,
  });
  await resources.delete(IPPool, {name: 'a'});
  await t.rejects(resources.update(IPPool, updated), {code: 'E_NOT_FOUND'});
});

await t.test('update keeps uid and time of creation when the caller has none', async (t) => {
  const {resources, other} = await setUp(t);
  const created = await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  const written = pool('a', '10.65.0.0/16');
  const {resourceVersion} = created.metadata;
  const updated = await other.update(IPPool, {...written, metadata: {...written.metadata, resourceVersion}});
  t.match(updated.metadata, {uid: 'uid-1', creationTimestamp: created.metadata.creationTimestamp});
});

await t.test('apply creates, then updates whatever the revision is', async (t) => {
  const {resources, other} = await setUp(t);
  const first = await resources.apply(IPPool, pool('a', '10.65.0.0/16'));
  t.equal(first.metadata.uid, 'uid-1');
  await other.modify(
    IPPool,
    {name: 'a'},
    (current) => current && {...current, spec: {...current.spec, disabled: true}},
  );
  const wanted = pool('a', '10.65.0.0/16');
  const second = await resources.apply(IPPool, {...wanted, metadata: {...wanted.metadata, labels: {a: 'b'}}});
  t.match(second.metadata, {uid: 'uid-1', labels: {a: 'b'}});
  t.equal(second.spec.disabled, wanted.spec.disabled);
  const stale = await resources.apply(IPPool, {...first, spec: {...first.spec, natOutgoing: true}});
  t.equal(stale.spec.natOutgoing, true, 'a revision it brings is ignored');
});

await t.test('many who change one resource lose nothing', async (t) => {
  const {resources, other} = await setUp(t);
  await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  const add = (client: Resources, label: string) =>
    client.modify(IPPool, {name: 'a'}, (current) => {
      if (current === undefined) throw new Error('the pool is gone');
      return {...current, metadata: {...current.metadata, labels: {...current.metadata.labels, [label]: 'x'}}};
    });
  const labels = Array.from({length: 12}, (_, i) => `label-${i}`);
  await Promise.all(labels.map((label, i) => add(i % 2 === 0 ? resources : other, label)));
  const result = await resources.get(IPPool, {name: 'a'});
  t.same(Object.keys(result?.metadata.labels ?? {}).sort(), labels.toSorted());
});

await t.test('modify creates when there is none, and writes nothing when nothing changes', async (t) => {
  const {store, resources} = await setUp(t);
  const id = {name: 'a'};
  t.equal(await resources.modify(IPPool, id, () => undefined), undefined);
  const created = await resources.modify(IPPool, id, (current) => current ?? pool('a', '10.65.0.0/16'));
  t.equal(created.metadata.uid, 'uid-1');
  const same = await resources.modify(IPPool, id, (current) => current);
  t.same(same, created);
  t.equal((await store.get(IPPool.key(id)))?.revision, created.metadata.resourceVersion);
});

await t.test('delete, with or without the revision', async (t) => {
  const {resources} = await setUp(t);
  const id = {name: 'a'};
  const created = await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  const updated = await resources.update(IPPool, {...created, spec: {...created.spec, disabled: true}});
  const {resourceVersion} = created.metadata;
  await t.rejects(resources.delete(IPPool, id, {resourceVersion}), {code: 'E_CONFLICT'});
  await resources.delete(IPPool, id, {resourceVersion: updated.metadata.resourceVersion});
  t.equal(await resources.get(IPPool, id), undefined);
  await t.rejects(resources.delete(IPPool, id), {code: 'E_NOT_FOUND'});
});

await t.test('a list names what it cannot read and gives the rest', async (t) => {
  const {store, resources} = await setUp(t);
  await resources.create(IPPool, pool('b', '10.66.0.0/16'));
  await resources.create(IPPool, pool('a', '10.65.0.0/16'));
  await store.commit([
    {kind: 'put', key: `${PREFIX}ippools/broken`, value: '{"kind":"IPPool",'},
    {
      kind: 'put',
      key: `${PREFIX}ippools/odd`,
      value: '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","spec":{"cidr":7}}',
    },
    {kind: 'put', key: `${PREFIX}ippoolsnot/x`, value: '{}'},
  ]);
  const {resources: pools, unreadable} = await resources.list(IPPool);
  t.same(
    pools.map(({metadata}) => metadata.name),
    ['a', 'b'],
  );
  t.same(
    unreadable.map(({key, error}) => [key, error.code]),
    [
      [`${PREFIX}ippools/broken`, 'E_BAD_JSON'],
      [`${PREFIX}ippools/odd`, 'E_INVALID_RESOURCE'],
    ],
  );
  await t.rejects(resources.get(IPPool, {name: 'broken'}), {code: 'E_BAD_JSON'});
});

await t.test('a list of one namespace has no other', async (t) => {
  const {resources} = await setUp(t);
  const endpoint = (namespace: string) =>
    WorkloadEndpoint.create({
      kind: 'WorkloadEndpoint',
      apiVersion: 'projectcalico.org/v3',
      metadata: {name: 'node1-k8s-web-eth0', namespace},
      spec: {
        node: 'node1',
        orchestrator: 'k8s',
        workload: '',
        pod: 'web',
        endpoint: 'eth0',
        interfaceName: 'cali0123456789a',
        ipNetworks: ['10.65.0.2/32'],
      },
    });
  for (const namespace of ['a', 'a-b', 'b']) await resources.create(WorkloadEndpoint, endpoint(namespace));
  const namespaces = async (scope: {namespace?: string}) =>
    (await resources.list(WorkloadEndpoint, scope)).resources.map(({metadata}) => metadata.namespace);
  t.same(await namespaces({namespace: 'a'}), ['a']);
  t.same(await namespaces({}), ['a-b', 'a', 'b'], 'in the order of the bytes of the keys: "-" is before "/"');
});

await t.test('what somebody else wrote stays as it is where it was not changed', async (t) => {
  const {store, resources} = await setUp(t);
  const key = `${PREFIX}ippools/a`;
  const value =
    '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","uid":"u","creationTimestamp":null,' +
    '"future":{"n":1800000000000000001}},"spec":{"cidr":"10.65.0.0/16","futureField":[1,"<&>"]}}';
  const stored = value.replace('<&>', '\\u003c\\u0026\\u003e');
  await store.commit([{kind: 'put', key, value: stored}]);
  const read = await resources.get(IPPool, {name: 'a'});
  if (read === undefined) throw new Error('the pool is gone');
  t.equal(IPPool.encode(read), stored);
  t.match(JSON.stringify(IPPool.toJson(read).metadata, bigintAsText), read.metadata.resourceVersion ?? '?');
  await resources.modify(
    IPPool,
    {name: 'a'},
    (current) => current && {...current, spec: {...current.spec, disabled: true}},
  );
  const after = (await store.get(key))?.value ?? '';
  t.match(after, '"future":{"n":1800000000000000001}');
  t.match(after, '"futureField":[1,"\\u003c\\u0026\\u003e"]');
  t.match(after, '"disabled":true');
  t.notMatch(after, 'resourceVersion');
});

await t.test('a policy is found, changed and deleted where an earlier release stored it', async (t) => {
  const {store, resources} = await setUp(t);
  const earlierKey = `${PREFIX}globalnetworkpolicies/default.web`;
  const old = (name: string, annotations = '') =>
    `{"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"${name}","uid":"u","creationTimestamp":"2020-01-01T00:00:00Z"${annotations}},"spec":{"types":["Ingress"]}}`;
  await store.commit([{kind: 'create', key: earlierKey, value: old('default.web')}]);
  const found = await resources.get(GlobalNetworkPolicy, {name: 'web'});
  t.equal(found?.metadata.name, 'web');
  if (found === undefined) return;
  const policy = {metadata: {name: 'web'}, spec: {}};
  await t.rejects(resources.create(GlobalNetworkPolicy, GlobalNetworkPolicy.create(policy)), {code: 'E_EXISTS'});
  const updated = await resources.update(GlobalNetworkPolicy, {...found, spec: {...found.spec, order: 5}});
  await resources.modify(
    GlobalNetworkPolicy,
    {name: 'web'},
    (current) => current && {...current, spec: {...current.spec, order: 6}},
  );
  t.not(updated.metadata.resourceVersion, found.metadata.resourceVersion);
  const {entries} = await store.list(`${PREFIX}globalnetworkpolicies/`);
  t.same(
    entries.map(({key}) => key),
    [earlierKey],
    'nothing was stored beside it',
  );
  t.match(entries[0]?.value, '"name":"default.web","uid":"u"');
  t.match(entries[0]?.value, '"order":6');
  t.equal((await resources.get(GlobalNetworkPolicy, {name: 'web'}))?.metadata.name, 'web');
  await resources.delete(GlobalNetworkPolicy, {name: 'web'});
  t.same((await store.list(PREFIX)).entries, []);
  const named = ',"annotations":{"projectcalico.org/metadata":"{\\"name\\":\\"default.web\\"}"}';
  await store.commit([{kind: 'create', key: earlierKey, value: old('default.web', named)}]);
  t.equal(await resources.get(GlobalNetworkPolicy, {name: 'web'}), undefined, 'that one is called default.web');
  await resources.create(GlobalNetworkPolicy, GlobalNetworkPolicy.create(policy));
  t.equal((await store.list(PREFIX)).entries.length, 2);
});
