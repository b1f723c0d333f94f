import t from 'tap';
import {documentTargets} from '../../../src/calicoctl/input/target-reader.ts';
import {idOf, namedTargets} from '../../../src/calicoctl/input/targets.ts';
import {messageOf} from '../../../src/lib/errors.ts';

const targetsOf = (text: string, origin = '') => documentTargets([{text, origin}]);
const POOL = 'apiVersion: projectcalico.org/v3\nkind: IPPool\n';

void t.test('names match in any case, and scalars become text where text belongs', async (t) => {
  const [target] = targetsOf(
    `${POOL}Metadata: {NAME: x, labels: {y: 1, b: yes}}\nspec: {CIDR: 10.0.0.0/8, NatOutgoing: yes}`,
  );
  t.same(target?.document, {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: {name: 'x', labels: {true: '1', b: 'true'}},
    spec: {cidr: '10.0.0.0/8', natOutgoing: true},
  });
  t.equal(target?.name, 'x');
});

void t.test('lists, list resources and several documents', async (t) => {
  const one = '{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}}';
  t.same(
    targetsOf(`[${one}, ${one}]`).map(({name}) => name),
    ['a', 'a'],
  );
  const list = `{apiVersion: projectcalico.org/v3, kind: NodeList, metadata: {resourceVersion: "1"}, items: [${one}]}`;
  t.same(
    targetsOf(list).map(({kind, name}) => [kind.kind, name]),
    [['Node', 'a']],
  );
  t.same(targetsOf('{apiVersion: projectcalico.org/v3, kind: NodeList, items: []}'), []);
});

void t.test('a document that cannot be taken is named', async (t) => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    [
      `${POOL}bogus: 1`,
      'field in document is not recognized or is in the wrong location: bogus (document 2 of a.yaml)',
    ],
    [
      `${POOL}spec: {a: 1, b: 2}`,
      'field in document is not recognized or is in the wrong location: a (document 2 of a.yaml)',
    ],
    [
      `${POOL}metadata: {name: x}\nspec: {blockSize: "26"}`,
      'failed to execute command: IPPool "x": spec.blockSize = "26": must be a whole number (document 2 of a.yaml)',
    ],
    [
      `${POOL}spec: {cidr: [a]}`,
      'failed to execute command: IPPool "": spec.cidr = a list of 1: must be text (document 2 of a.yaml)',
    ],
    [
      'apiVersion: v1\nkind: Pod',
      'failed to execute command: unknown resource type (Pod) and/or version (v1) (document 2 of a.yaml)',
    ],
    ['a: [', 'failed to execute command: error converting YAML to JSON: yaml: line 1: '],
  ];
  for (const [text, message] of cases) {
    try {
      targetsOf(text, 'document 2 of a.yaml');
      t.fail(text);
    } catch (error) {
      t.equal(messageOf(error).slice(0, message.length), message);
    }
  }
});

void t.test('kinds of the command line', async (t) => {
  t.same(
    namedTargets('ipp', ['a', 'b']).map(({kind, name}) => [kind.kind, name]),
    [
      ['IPPool', 'a'],
      ['IPPool', 'b'],
    ],
  );
  for (const kind of ['bogus', 'ipamconfig', 'blockaffinity', '__proto__', 'constructor', ''])
    t.throws(() => namedTargets(kind, []), {message: `resource type '${kind}' is not supported`});
  t.throws(() => namedTargets('node', ['']), {message: 'resource name may not be empty'});
});

void t.test('where a resource lives', async (t) => {
  const [wep] = namedTargets('wep', ['w']);
  const [pool] = namedTargets('pool', ['p']);
  if (wep === undefined || pool === undefined) throw new Error('both are there');
  t.same(idOf(wep, undefined), {name: 'w', namespace: 'default'});
  t.same(idOf(wep, 'prod'), {name: 'w', namespace: 'prod'});
  t.same(idOf({...wep, namespace: 'x'}, undefined), {name: 'w', namespace: 'x'});
  t.throws(() => idOf({...wep, namespace: 'x'}, 'y'), {
    message: 'resource namespace does not match client namespace. x != y',
  });
  t.throws(() => idOf(pool, 'y'), {message: 'IPPool is not namespaced'});
  t.throws(() => idOf({...pool, namespace: 'x'}, undefined), {message: /namespace should not be specified/});
});
