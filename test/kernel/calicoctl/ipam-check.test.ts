/** `ipam check` finds what was planted and nothing else, and `ipam release` takes back what a report says. */
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());

type Store = Map<string, string>;

function storeOf(stage: string): Store {
  const lines = readFileSync(new URL(`../../fixtures/calicoctl/stores/${stage}.jsonl`, import.meta.url), 'utf8');
  const pairs = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as {key: string; value: string});
  return new Map(pairs.map(({key, value}) => [key, value]));
}

async function check(store: Store, ...args: readonly string[]): Promise<string> {
  await rig.load(store);
  const {exit, stdout, stderr} = await rig.run(['ipam', 'check', ...args]);
  t.same([exit, stderr], [0, '']);
  return stdout;
}

/** The lines with the problems. */
const problemsOf = (stdout: string): readonly string[] => {
  const sections = stdout.split('handles.\n\n')[1]?.split('\n') ?? [];
  return sections.filter((line) => line.startsWith('  ')).map((line) => line.trim());
};

function changed(store: Store, key: string, change: (value: string) => string | undefined): Store {
  const before = store.get(key);
  t.not(before, undefined, key);
  const value = change(before ?? '');
  t.not(value, before, `the change of ${key} changes it`);
  const copy = new Map(store);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

/** The plugin failed after it had taken this address, and never gave it back. */
const LEAKED =
  '10.244.166.131 allocated to default/web-0, node node1, handle k8s-pod-network.252ec5b979ef1fdd4905c895190568256f70328b655a5383bf57cba90d121f96 at 2026-11-21 08:51:33.342791296 +0000 UTC, and nobody uses it';

void t.test('the captured life of a cluster: one address leaked, as it happened, and nothing else', async (t) => {
  for (const stage of ['01-startup-node1', '02-tunnel-node1', '05-first-pod', '06-dual-stack-pod']) {
    const stdout = await check(storeOf(stage));
    t.same(problemsOf(stdout), [], stage);
    t.match(stdout, /\nCheck complete; found 0 problems\.\n$/, stage);
  }
  for (const stage of ['08-70-pods', '10-small-pool-owned', '11-borrowed', '12-small-pool-full'])
    t.same(problemsOf(await check(storeOf(stage))), [LEAKED], stage);
});

const BLOCK = '/calico/ipam/v2/assignment/ipv4/block/10.244.166.128-26';
const CLAIM = '/calico/ipam/v2/host/node1/ipv4/block/10.244.166.128-26';
const POD = 'k8s-pod-network.dbbcc94d6117946e62306c51bfb0299f5f1bf26918b73155c9cd4a6bd85b9c23';
const HANDLE = `/calico/ipam/v2/handle/${POD}`;
const ENDPOINT =
  '/calico/resources/v3/projectcalico.org/workloadendpoints/default/node1-cni-dbbcc94d6117946e62306c51bfb0299f5f1bf26918b73155c9cd4a6bd85b9c23-eth0';
const POOL = '/calico/resources/v3/projectcalico.org/ippools/default-ipv4-ippool';

void t.test('every inconsistency that is planted is found, each by its name', async (t) => {
  const store = storeOf('06-dual-stack-pod');
  const gone = (key: string): Store => changed(store, key, () => undefined);
  const cases: readonly (readonly [what: string, store: Store, found: readonly RegExp[]])[] = [
    ['leaked', gone(ENDPOINT), [/^10\.244\.166\.130 allocated .*nobody uses it$/, /^fd10:.* nobody uses it$/]],
    [
      'handle gone',
      gone(HANDLE),
      [/^k8s-pod-network\.dbb\w+ block 10\.244\.166\.128\/26 has 1 .* says 0$/, /^k8s-pod-network\.dbb\w+ block fd10:/],
    ],
    [
      'handle without block',
      new Map([...store, [`${HANDLE}x`, '{"block":{"10.244.166.128/26":1},"deleted":false}']]),
      [/^k8s-pod-network\.dbb\w+x has no address in 10\.244\.166\.128\/26$/],
    ],
    [
      'block without affinity',
      gone(CLAIM),
      [/^10\.244\.166\.128\/26 belongs to host:node1, which has no claim on it$/],
    ],
    [
      'affinity without block',
      new Map([...store, [CLAIM.replace('166.128', '166.192'), '{"state":"confirmed"}']]),
      [/^10\.244\.166\.192\/26 claimed by host:node1, but there is no such block$/],
    ],
    [
      'two claims',
      new Map([...store, [CLAIM.replace('node1', 'node2'), '{"state":"confirmed"}']]),
      [/^10\.244\.166\.128\/26 claimed by host:node2, but the block belongs to host:node1$/],
    ],
    [
      'outside any pool',
      gone(POOL),
      ['104.0', '166.128', '166.129', '166.130'].map((ip) => new RegExp(`^10\\.244\\.${ip} allocated to `)),
    ],
    [
      'used outside any pool',
      changed(store, ENDPOINT, (value) =>
        value.replace('["10.244.166.130/32",', '["10.244.166.130/32","10.9.9.9/32",'),
      ),
      [/^10\.9\.9\.9 used by the endpoint default\//],
    ],
    [
      'used and not allocated',
      changed(store, ENDPOINT, (value) =>
        value.replace('["10.244.166.130/32",', '["10.244.166.130/32","10.244.1.1/32",'),
      ),
      [/^10\.244\.1\.1 used by the endpoint default\//],
    ],
    [
      'duplicate',
      new Map([
        ...store,
        [ENDPOINT.replace('-dbb', '-abb'), (store.get(ENDPOINT) ?? '').replace('node1-cni-dbb', 'node1-cni-abb')],
      ]),
      [
        /^10\.244\.166\.130 used by the endpoint .* and the endpoint /,
        /^fd10:.* used by the endpoint .* and the endpoint /,
      ],
    ],
    [
      'free and taken',
      changed(store, BLOCK, (value) => value.replace('"unallocated":[', '"unallocated":[2,')),
      [/^10\.244\.166\.128\/26 10\.244\.166\.130 is both free and taken$/],
    ],
    [
      'unreadable',
      changed(store, BLOCK, () => '{"cidr":'),
      [/^\/calico\/ipam\/v2\/assignment\/ipv4\/block\/10\.244\.166\.128-26: /],
    ],
  ];
  for (const [what, planted, found] of cases) {
    const problems = problemsOf(await check(planted));
    for (const each of found)
      t.ok(
        problems.some((line) => each.test(line)),
        `${what}: ${each} in ${problems.join('; ')}`,
      );
    if (what !== 'unreadable')
      t.equal(problems.length, found.length, `${what}: nothing else in ${problems.join('; ')}`);
  }
});

void t.test('what a report calls leaked is released, unless it was given anew', async (t) => {
  const store = storeOf('11-borrowed');
  await rig.load(store);
  await rig.run(['ipam', 'check', '-o', 'early.json']);
  const release = (...args: readonly string[]) => rig.run(['ipam', 'release', ...args]);
  t.match(await release('--from-report=early.json'), {
    exit: 1,
    stderr: 'data store is not locked. Either lock the data store, or re-run with --force\n',
  });
  await rig.run(['datastore', 'migrate', 'lock']);
  for (const force of [[], ['--force']])
    t.match(await release('--from-report=early.json', ...force), {
      exit: 1,
      stderr: /^the provided reports are all stale - at least one should be up-to-date\./,
    });
  await rig.run(['ipam', 'check', '-o', 'late.json']);
  const report = readFileSync(join(folder, 'late.json'), 'utf8');
  writeFileSync(join(folder, 'other.json'), report.replace(/"clusterGUID": "\w/, '"clusterGUID": "x'));
  t.match(await release('--from-report=other.json', '--force'), {
    exit: 1,
    stderr: 'cluster does not match the provided report (other.json): mismatched cluster GUID. Refusing to release\n',
  });
  writeFileSync(join(folder, 'old.json'), report.replace(/"version": "[^"]*"/, '"version": "v3.30.0"'));
  t.match(await release('--from-report=old.json'), {
    exit: 1,
    stderr:
      'the provided report (old.json) was produced using a different version (v3.30.0) of calicoctl. Refusing to release\n',
  });
  writeFileSync(join(folder, 'anew.json'), report.replace(/"sequenceNumber": (\d+)/g, '"sequenceNumber": 1$1'));
  const nothing = "Report didn't contain any leaked IPs to clean up.\nReport didn't contain any handles to clean up.\n";
  const done = 'You may now unlock the data store.\n';
  t.same(await release('--from-report=anew.json', '--from-report=late.json'), {
    exit: 0,
    stdout: `${nothing}${done}`,
    stderr: '',
  });
  t.match(await release('--from-report=anew.json'), {
    exit: 0,
    stdout: /^Releasing 1 old IPs\.\.\.\nReleased 0 IPs successfully\n/,
    stderr: /^10\.244\.166\.131 is left alone: /,
  });
  t.same(await release('--from-report=early.json', '--from-report=late.json'), {
    exit: 0,
    stdout: `Releasing 1 old IPs...\nReleased 1 IPs successfully\nReport didn't contain any handles to clean up.\n${done}`,
    stderr: '',
  });
  t.match((await rig.run(['ipam', 'check'])).stdout, /found 0 problems/);
  t.match(await release('--from-report=early.json', '--from-report=late.json'), {
    stdout: /^Releasing 1 old IPs\.\.\.\nReleased 0 IPs successfully\n/,
    stderr: /^10\.244\.166\.131 is left alone: /,
  });
  await rig.run(['datastore', 'migrate', 'unlock']);
  await rig.run(['ipam', 'check', '-o', 'unlocked.json']);
  t.match(await release('--from-report=unlocked.json', '--force'), {
    exit: 0,
    stdout: `WARNING: Data store is not locked. Ignoring due to --force option\n${nothing}${done}`,
  });
});

void t.test('handles without addresses are deleted, unless they were written since', async (t) => {
  const store = storeOf('11-borrowed');
  const handle = (id: string): string => `/calico/ipam/v2/handle/${id}`;
  const empty = '{"block":{"10.244.166.128/26":1},"deleted":false}';
  for (const id of ['gone', 'used', 'removed']) store.set(handle(id), empty);
  const cluster = '/calico/resources/v3/projectcalico.org/clusterinformations/default';
  store.set(cluster, (store.get(cluster) ?? '').replace('"datastoreReady":true', '"datastoreReady":false'));
  await rig.load(store);
  t.match((await rig.run(['ipam', 'check', '-o', 'first.json'])).stdout, /Found 3 handles with no matching IPs\./);
  const {leakedHandles} = JSON.parse(readFileSync(join(folder, 'first.json'), 'utf8')) as {leakedHandles: unknown[]};
  t.match(leakedHandles, [
    {ID: 'gone', UID: null, Revision: /^\d+$/},
    {ID: 'removed', UID: null, Revision: /^\d+$/},
    {ID: 'used', UID: null, Revision: /^\d+$/},
  ]);
  await rig.store.commit([
    {kind: 'put', key: handle('used'), value: empty},
    {kind: 'delete', key: handle('removed')},
    {kind: 'put', key: handle('late'), value: empty},
  ]);
  const {stdout, exit, stderr} = await rig.run(['ipam', 'release', '--from-report=first.json']);
  t.same([exit, stderr], [0, '']);
  t.match(
    stdout,
    /\nDeleting 3 handles\.\.\.\nKey: '\.' = Deleted OK; 'x' = skip, handle missing\/changed\.\n[.x]{3}\nReleased 1 handles; 2 skipped; 0 errors\.\nYou may now unlock the data store\.\n$/,
  );
  const left = [...(await rig.content()).keys()].filter((key) => /handle\/(?:gone|used|removed|late)$/.test(key));
  t.same(left, [handle('late'), handle('used')]);

  // Which handles are in a block that cannot be read, nobody knows.
  await rig.store.commit([{kind: 'put', key: BLOCK, value: '{"cidr":'}]);
  await rig.run(['ipam', 'check', '-o', 'blind.json']);
  t.notMatch(readFileSync(join(folder, 'blind.json'), 'utf8'), /leakedHandles/);
});
