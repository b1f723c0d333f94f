/** Unknown fields of a stored resource stay, where they were, when somebody who does not know them replaces the rest. */
import t from 'tap';
import {GlobalNetworkPolicy} from '../../../src/model/kinds/global-network-policy.ts';
import {IPPool} from '../../../src/model/kinds/ip-pool.ts';

const poolText = (spec: string, metadata = '"name":"p"', more = ''): string =>
  `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{${metadata}},"spec":${spec}${more}}`;
const REST =
  '"vxlanMode":"Never","ipipMode":"Never","blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"';

function replaced(stored: string, input: unknown): string {
  const before = IPPool.decode(stored, IPPool.key({name: 'p'}));
  return IPPool.encode(IPPool.complete(IPPool.carryOver(before, IPPool.create(input))));
}

void t.test('at every depth, at its place, exactly', async (t) => {
  const stored = poolText(
    `{"cidr":"10.0.0.0/16","future":{"n":9223372036854775807},${REST},"toString":[18446744073709551615,null]}`,
    '"name":"p","__proto__":{"x":1},"labels":{"a":"b"}',
    ',"constructor":"c"',
  );
  const input = {metadata: {name: 'p', labels: {a: 'c'}}, spec: {cidr: '10.0.0.0/16', natOutgoing: true}};
  t.equal(
    replaced(stored, input),
    stored.replace('"a":"b"', '"a":"c"').replace('"ipipMode":"Never"', '"ipipMode":"Never","natOutgoing":true'),
  );
  t.same({}, Object.create(Object.prototype), 'no prototype was touched');
});

void t.test('a field that is known is what was written, also when it was taken away', async (t) => {
  const stored = poolText(`{"cidr":"10.0.0.0/16",${REST},"disabled":true}`);
  t.equal(
    replaced(stored, {metadata: {name: 'p'}, spec: {cidr: '10.0.0.0/16'}}),
    poolText(`{"cidr":"10.0.0.0/16",${REST}}`),
  );
});

void t.test('what changes nothing is what was stored', async (t) => {
  const before = IPPool.decode(poolText('{"x":1,"cidr":"10.0.0.0/16"}'), IPPool.key({name: 'p'}));
  t.equal(IPPool.carryOver(before, IPPool.create({metadata: {name: 'p'}, spec: {cidr: '10.0.0.0/16'}})), before);
});

interface Rule {
  readonly action: string;
  readonly order?: number;
}

/** Rules that are told apart by their `metadata` here; `known` ones are without it. */
function rulesAfter(stored: readonly object[], written: readonly object[]): unknown {
  const text = JSON.stringify({
    kind: 'GlobalNetworkPolicy',
    apiVersion: 'projectcalico.org/v3',
    metadata: {name: 'p'},
    spec: {ingress: stored},
  });
  const before = GlobalNetworkPolicy.decode(text, GlobalNetworkPolicy.key({name: 'p'}));
  const input = GlobalNetworkPolicy.create({metadata: {name: 'p'}, spec: {ingress: written}});
  const {ingress = []} = GlobalNetworkPolicy.carryOver(before, input).spec as {ingress?: readonly Rule[]};
  return ingress.map((rule) => [rule.action, Reflect.get(rule, 'mark')]);
}

void t.test('elements of a list', async (t) => {
  const [allow, deny, log] = [
    {action: 'Allow', mark: 1},
    {action: 'Deny', mark: 2},
    {action: 'Log', mark: 3},
  ];
  const known = (...actions: string[]) => actions.map((action) => ({action}));
  t.same(rulesAfter([allow, deny, log], known('Allow', 'Deny', 'Log')), [
    ['Allow', 1],
    ['Deny', 2],
    ['Log', 3],
  ]);
  t.same(
    rulesAfter([allow, deny], known('Log', 'Allow', 'Deny')),
    [
      ['Log', undefined],
      ['Allow', 1],
      ['Deny', 2],
    ],
    'one put in front',
  );
  t.same(
    rulesAfter([allow, deny, log], known('Log', 'Deny')),
    [
      ['Log', 3],
      ['Deny', 2],
    ],
    'turned round, one taken away',
  );
  t.same(
    rulesAfter([allow, deny, log], known('Allow', 'Pass', 'Log')),
    [
      ['Allow', 1],
      ['Pass', 2],
      ['Log', 3],
    ],
    'one changed at its place',
  );
  t.same(
    rulesAfter([allow, deny], known('Deny', 'Pass')),
    [
      ['Deny', 2],
      ['Pass', undefined],
    ],
    'what replaces nothing has nothing',
  );
  t.same(
    rulesAfter([allow, {...allow, mark: 4}], known('Allow', 'Allow')),
    [
      ['Allow', 1],
      ['Allow', 4],
    ],
    'equal ones in their order',
  );
});

void t.test('a thousand rules in reverse', async (t) => {
  const rules = Array.from({length: 1000}, (_, i) => ({
    action: 'Allow',
    protocol: 'TCP',
    destination: {ports: [i + 1]},
  }));
  const stored = rules.map((rule, i) => ({...rule, mark: i}));
  const after = rulesAfter(stored, rules.toReversed()) as [string, number][];
  t.same(
    after.map(([, mark]) => mark),
    rules.map((_, i) => 999 - i),
  );
});
