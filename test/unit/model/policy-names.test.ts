/** Names of policies: what each release of Calico stored is read under the name people gave, and written back unchanged. */
import t from 'tap';
import {GlobalNetworkPolicy} from '../../../src/model/kinds/global-network-policy.ts';
import {NetworkPolicy} from '../../../src/model/kinds/network-policy.ts';
import {StagedNetworkPolicy} from '../../../src/model/kinds/staged-network-policy.ts';
import {givenPolicyName, type NamingRelease, storedPolicyName} from '../../../src/model/policy-names.ts';

const KEYS = '/calico/resources/v3/projectcalico.org/globalnetworkpolicies/';

interface Stored {
  readonly name: string;
  readonly tier?: string;
  readonly given?: string;
}

/** What a release stored, with its form of the annotation and the label. */
function storedText({name, tier, given}: Stored): string {
  const annotations =
    given === undefined ? '' : `,"annotations":{"projectcalico.org/metadata":"{\\"name\\":\\"${given}\\"}"}`;
  const spec = tier === undefined ? '{"types":["Ingress"]}' : `{"tier":"${tier}","types":["Ingress"]}`;
  return `{"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"${name}"${annotations}},"spec":${spec}}`;
}

void t.test('each release stores a given name in its own way', async (t) => {
  const cases: readonly (readonly [string, NamingRelease, string])[] = [
    ['web', 'v3.0', 'default.web'],
    ['web', 'v3.30', 'default.web'],
    ['web', 'v3.32', 'web'],
    ['security.web', 'v3.30', 'security.web'],
    ['default.web', 'v3.0', 'default.web'],
    ['default.web', 'v3.32', 'default.web'],
    ['knp.default.web', 'v3.0', 'knp.default.web'],
    ['ossg.default.sg-1', 'v3.30', 'ossg.default.sg-1'],
    ['kanp.adminnetworkpolicy.x', 'v3.30', 'kanp.adminnetworkpolicy.x'],
  ];
  for (const [name, release, stored] of cases) {
    t.equal(storedPolicyName(name, release), stored, `${name}, ${release}`);
    const annotations = release === 'v3.0' ? {} : {'projectcalico.org/metadata': JSON.stringify({name})};
    const given = release === 'v3.0' && name === 'default.web' ? 'web' : name;
    t.equal(givenPolicyName(stored, 'default', annotations), given, `${stored} read back`);
  }
  t.equal(givenPolicyName('default.web', 'security', {}), 'default.web', 'the prefix means the default tier only');
  t.equal(givenPolicyName('default.', '', {}), 'default.', 'a prefix alone is no name');
});

void t.test('stored policies: given name, tier label, no annotation; bytes survive', async (t) => {
  const cases: readonly (Stored & {readonly view: string})[] = [
    {name: 'default.web', view: 'web'},
    {name: 'default.web', tier: 'default', view: 'web'},
    {name: 'default.web', tier: 'default', given: 'web', view: 'web'},
    {name: 'web', tier: 'default', given: 'web', view: 'web'},
    {name: 'default.web', tier: 'default', given: 'default.web', view: 'default.web'},
    {name: 'security.web', tier: 'security', view: 'security.web'},
    {name: 'knp.default.a.b', view: 'knp.default.a.b'},
    {name: 'web', view: 'web'},
  ];
  for (const stored of cases) {
    const text = storedText(stored);
    const policy = GlobalNetworkPolicy.decode(text, `${KEYS}${stored.name}`);
    t.equal(policy.metadata.name, stored.view);
    t.equal(policy.metadata.labels['projectcalico.org/tier'], 'default');
    t.same(Object.keys(policy.metadata.annotations), []);
    t.equal(policy.spec.tier, stored.tier ?? 'default');
    t.equal(GlobalNetworkPolicy.encode(policy), text);
    t.equal(GlobalNetworkPolicy.encode({...policy}), text, 'a new root around the same parts');
  }
});

void t.test('a changed policy is written as v3.32 writes, under the key it has', async (t) => {
  const key = `${KEYS}default.web`;
  const old = GlobalNetworkPolicy.decode(storedText({name: 'default.web'}), key);
  const changed = GlobalNetworkPolicy.complete({...old, spec: {...old.spec, order: 7}});
  const annotation = '"annotations":{"projectcalico.org/metadata":"{\\"name\\":\\"web\\"}"}';
  const expected = (name: string) =>
    `{"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"${name}","labels":{"projectcalico.org/tier":"default"},${annotation}},"spec":{"tier":"default","order":7,"types":["Ingress"]}}`;
  t.equal(GlobalNetworkPolicy.encode(changed), expected('web'));
  t.equal(GlobalNetworkPolicy.encode(changed, key), expected('default.web'));
  const again = GlobalNetworkPolicy.decode(expected('default.web'), key);
  t.equal(again.metadata.name, 'web');
  t.same(GlobalNetworkPolicy.toJson(again).metadata, {name: 'web', labels: {'projectcalico.org/tier': 'default'}});
  t.same(GlobalNetworkPolicy.earlierKeys({name: 'web'}), [key]);
  t.same(GlobalNetworkPolicy.earlierKeys({name: 'security.web'}), []);
  t.same(NetworkPolicy.earlierKeys({name: 'web', namespace: 'prod'}), [
    '/calico/resources/v3/projectcalico.org/networkpolicies/prod/default.web',
  ]);
});

void t.test(
  'the annotation belongs to the store: what a person writes there does not count, what is no JSON is named',
  async (t) => {
    const forged = NetworkPolicy.create({
      metadata: {name: 'a', namespace: 'n', annotations: {'projectcalico.org/metadata': '{"name":"b"}', keep: 'x'}},
      spec: {tier: 'security'},
    });
    t.same(forged.metadata.annotations, Object.assign(Object.create(null), {keep: 'x'}));
    t.match(NetworkPolicy.encode(forged), '{"keep":"x","projectcalico.org/metadata":"{\\"name\\":\\"a\\"}"}');
    t.match(NetworkPolicy.encode(forged), '"labels":{"projectcalico.org/tier":"security"}');
    for (const bad of ['{', '[]', '7', '{\\"name\\":7}']) {
      const text = `{"kind":"NetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","namespace":"n","annotations":{"projectcalico.org/metadata":"${bad}"}},"spec":{}}`;
      t.throws(() => NetworkPolicy.decode(text, NetworkPolicy.key({name: 'a', namespace: 'n'})), {
        code: 'E_INVALID_RESOURCE',
        message: /^NetworkPolicy at \/calico\/.*\/n\/a: metadata\.annotations\[projectcalico\.org\/metadata\]/,
      });
    }
  },
);

void t.test('which names a policy may have', async (t) => {
  const isAllowed = (
    kind: typeof NetworkPolicy | typeof GlobalNetworkPolicy | typeof StagedNetworkPolicy,
    name: string,
  ) => {
    try {
      kind.create({metadata: {name, ...(kind.namespaced ? {namespace: 'n'} : {})}});
      return true;
    } catch {
      return false;
    }
  };
  for (const name of ['a', 'a.b', 'a'.repeat(64)]) t.ok(isAllowed(GlobalNetworkPolicy, name), name);
  for (const name of ['a.b.c', 'A', '', '.a', 'a.', 'knp.default.x', 'a'.repeat(254)])
    t.notOk(isAllowed(GlobalNetworkPolicy, name), name);
  for (const name of ['knp.default.a.b.c', 'ossg.default.x', 'a.b']) {
    t.ok(isAllowed(NetworkPolicy, name), name);
    t.ok(isAllowed(StagedNetworkPolicy, name), name);
  }
  for (const name of ['knp.default.', 'knp.other.x', 'a.b.c']) t.notOk(isAllowed(NetworkPolicy, name), name);
});
