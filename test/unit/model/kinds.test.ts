/** Resource kinds: what Calico stored survives, what a person wrote is judged as Calico judges it, changes are natural. */
import {readFileSync} from 'node:fs';
import t from 'tap';
import {parseJson} from '../../../src/lib/exact-json.ts';
import {parseKey} from '../../../src/model/keys.ts';
import type {ResourceKind} from '../../../src/model/kind.ts';
import {BGPFilter} from '../../../src/model/kinds/bgp-filter.ts';
import {FelixConfiguration} from '../../../src/model/kinds/felix-configuration.ts';
import {GlobalNetworkPolicy} from '../../../src/model/kinds/global-network-policy.ts';
import {IPPool, overlappingPool, poolChangeViolations} from '../../../src/model/kinds/ip-pool.ts';
import {Node} from '../../../src/model/kinds/node.ts';
import {Profile} from '../../../src/model/kinds/profile.ts';
import {StagedGlobalNetworkPolicy} from '../../../src/model/kinds/staged-global-network-policy.ts';
import {WorkloadEndpoint} from '../../../src/model/kinds/workload-endpoint.ts';
import {KINDS, kindNamed, kindOfAlias, kindOfPlural, requireKind} from '../../../src/model/kinds.ts';
import {labelMap, type Resource} from '../../../src/model/resource.ts';
import {formatViolation} from '../../../src/model/violation.ts';
import {readStored} from './captured.ts';

/** The same data with nothing hidden in it: what our own printing makes of it. */
function plainCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainCopy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainCopy(inner)]));
}

const storedPool = (spec: string, metadata = '"name":"p"'): string =>
  `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{${metadata}},"spec":${spec}}`;
/** The kinds that calicoctl v3.32.1 writes. */
const CALICOCTL_KINDS = KINDS.map(({kind}) => kind).filter(
  (kind) => !['BlockAffinity', 'CalicoNodeStatus', 'IPAMConfiguration', 'LiveMigration'].includes(kind),
);

const POOL_KEY = IPPool.key({name: 'p'});

void t.test('every captured resource is written back byte for byte', async (t) => {
  const seen = new Set<string>();
  for (const {key, value} of readStored('stored.jsonl')) {
    const parsed = parseKey(key);
    const kind = parsed?.kind === 'resource' ? kindOfPlural(parsed.plural) : undefined;
    if (kind === undefined) continue;
    seen.add(kind.kind);
    const resource = kind.decode(value, key);
    t.equal(kind.encode(resource), value, key);
    t.equal(kind.encode(plainCopy(resource) as typeof resource), value, `${key}, copied`);
    t.equal(kind.encode(kind.create(kind.toJson(resource))), value, `${key}, as input`);
    t.equal(kind.encode(kind.complete(resource)), value, `${key}, before a write`);
    t.same(kind.check(resource), [], `${key}, checked`);
    const {name, namespace} = resource.metadata;
    t.equal(kind.key({name, namespace}), key);
  }
  const captured = KINDS.map(({kind}) => kind).filter((kind) => kind !== 'LiveMigration');
  t.same([...seen].sort(), captured.sort());
});

interface Written {
  readonly file: string;
  readonly document: {kind: string; metadata?: Record<string, unknown>};
  readonly accepted: boolean;
  readonly stored?: string;
}

/** What the store adds; it is not the model's. */
const withoutStamps = (text: string): string => text.replaceAll(/,"(?:uid|creationTimestamp)":"[^"]*"/g, '');

/**
 * `calicoctl validate` was the only command captured for these, and it accepts what `apply` refuses: it does not look at
 * the schema of the kind, nor at what the client checks before it writes.
 */
const REFUSED_BY_APPLY: ReadonlySet<string> = new Set([
  'inv-fc-decimal.yaml',
  'inv-fc-float.yaml',
  'inv-fc-ratel.yaml',
  'inv-kcc-tmpl.yaml',
  'inv-pool-bs19.yaml',
]);

const text = readFileSync(new URL('../../fixtures/model/written.jsonl', import.meta.url), 'utf8');
const written = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Written);

void t.test('documents are accepted, refused and stored as by calicoctl v3.32.1', async (t) => {
  t.same([...new Set(written.map(({document: {kind}}) => kind))].sort(), CALICOCTL_KINDS);
  for (const {file, document, accepted, stored} of written) {
    const kind = requireKind(document.kind);
    // calicoctl fills in the namespace.
    const input = kind.namespaced ? {...document, metadata: {namespace: 'default', ...document.metadata}} : document;
    if (!accepted || REFUSED_BY_APPLY.has(file)) {
      t.throws(() => kind.create(input), {code: 'E_INVALID_RESOURCE', message: /: must |: is /}, file);
      continue;
    }
    t.doesNotThrow(() => kind.create(input), file);
    if (stored !== undefined) t.equal(kind.encode(kind.create(input)), withoutStamps(stored), file);
  }
});

void t.test('reading fills in defaults and does not write them back by itself', async (t) => {
  const sparse = storedPool('{"cidr":"10.0.0.0/16","natOutgoing":false,"ipipMode":"Always"}');
  const pool = IPPool.decode(sparse, POOL_KEY);
  t.match(pool.spec, {
    blockSize: 26,
    ipipMode: 'Always',
    vxlanMode: 'Never',
    nodeSelector: 'all()',
    allowedUses: ['Workload', 'Tunnel'],
    assignmentMode: 'Automatic',
    natOutgoing: false,
    disabled: false,
  });
  t.equal(IPPool.decode(storedPool('{"cidr":"fd00::/64"}'), POOL_KEY).spec.blockSize, 122);
  t.equal(IPPool.encode(pool), sparse);
  t.match(IPPool.toJson(pool).spec, {blockSize: 26, assignmentMode: 'Automatic'}, 'people see the defaults');
  const labelled = {...pool, metadata: {...pool.metadata, resourceVersion: '7', labels: {a: 'b'}}};
  t.equal(IPPool.encode(labelled), sparse.replace('"name":"p"', '"name":"p","labels":{"a":"b"}'), 'spec untouched');
  const edited = {...pool, spec: {...pool.spec, natOutgoing: true}};
  t.equal(
    IPPool.encode(edited),
    storedPool(
      '{"cidr":"10.0.0.0/16","vxlanMode":"Never","ipipMode":"Always","natOutgoing":true,"blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}',
    ),
    'an edited spec is printed as Calico prints what it updates',
  );
});

void t.test('unknown fields and exact integers survive, untouched and edited', async (t) => {
  const text = storedPool(
    '{"cidr":"10.0.0.0/16","fromTheFuture":{"b":18446744073709551615,"a":[1.5,null]},"blockSize":26,"__proto__":{"x":1},"constructor":"c"}',
    '"name":"p","toString":null',
  );
  const pool = IPPool.decode(text, POOL_KEY);
  t.equal(IPPool.encode(pool), text);
  t.notMatch(JSON.stringify(IPPool.toJson(pool)), /fromTheFuture|constructor/, 'people do not see them');
  const edited = IPPool.encode(IPPool.complete({...pool, spec: {...pool.spec, disabled: true}}));
  t.match(edited, '"cidr":"10.0.0.0/16","fromTheFuture":{"b":18446744073709551615,"a":[1.5,null]},"vxlanMode"');
  t.match(edited, '"blockSize":26,"__proto__":{"x":1},"constructor":"c","nodeSelector"');
});

void t.test('rules about several fields leave unknown ones alone, and these keep their place', async (t) => {
  const stored = (kind: string, spec: string): string =>
    `{"kind":"${kind}","apiVersion":"projectcalico.org/v3","metadata":{"name":"p"},"spec":${spec}}`;
  const check = <R extends Resource>(kind: ResourceKind<R>, spec: string) =>
    kind.check(kind.decode(stored(kind.kind, spec), kind.key({name: 'p', namespace: 'n'}))).map(formatViolation);
  t.same(check(StagedGlobalNetworkPolicy, '{"stagedAction":"Delete","tier":"default","future":1}'), []);
  t.match(check(StagedGlobalNetworkPolicy, '{"stagedAction":"Delete","tier":"default","order":1}'), [
    /spec\.order = 1/,
  ]);
  const filter = (operation: string) =>
    check(BGPFilter, `{"exportV4":[{"action":"Accept","operations":[${operation}]}]}`);
  t.same(filter('{"setPriority":{"value":1},"future":1}'), []);
  t.same(filter('{"future":1}'), [], 'an operation of a later Calico');
  t.match(filter('{}'), [/must have exactly one operation/]);
  t.match(filter('{"setPriority":{"value":1},"addCommunity":{"value":"1:2"}}'), [/must have exactly one operation/]);

  const policy = `{"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"p","labels":{"projectcalico.org/tier":"default"},"annotations":{"projectcalico.org/metadata":"{\\"name\\":\\"p\\"}"},"future":1},"spec":{"tier":"default","types":["Ingress"]}}`;
  const read = GlobalNetworkPolicy.decode(policy, GlobalNetworkPolicy.key({name: 'p'}));
  t.same(read.metadata.annotations, {});
  t.equal(GlobalNetworkPolicy.encode(GlobalNetworkPolicy.complete({...read, metadata: {...read.metadata}})), policy);
});

void t.test('another order of fields, nulls and old forms are written back as they were', async (t) => {
  for (const text of [
    '{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"creationTimestamp":null,"name":"p"},"spec":{"ipipMode":"Never","cidr":"10.0.0.0/16"}}',
    storedPool('{"cidr":"10.0.0.0/16","allowedUses":null,"nodeSelector":"","blockSize":0}'),
    storedPool('{"cidr":"10.0.0.0/16","futureMode":"Sometimes","vxlanMode":"Sometimes"}'),
  ]) {
    const pool = IPPool.decode(text, POOL_KEY);
    t.equal(IPPool.encode(pool), text);
    t.equal(pool.spec.nodeSelector, 'all()');
  }
  const withRevision = storedPool('{"cidr":"10.0.0.0/16"}', '"name":"p","selfLink":"/x","resourceVersion":"12"');
  t.equal(IPPool.encode(IPPool.decode(withRevision, POOL_KEY)), storedPool('{"cidr":"10.0.0.0/16"}'));
  const nameless = storedPool('{"cidr":"10.0.0.0/16"}', '');
  t.equal(IPPool.decode(nameless, POOL_KEY).metadata.name, 'p');
  t.equal(IPPool.encode(IPPool.decode(nameless, POOL_KEY)), nameless);
  const renumbered = {...IPPool.decode(nameless, POOL_KEY), spec: IPPool.decode(withRevision, POOL_KEY).spec};
  t.equal(IPPool.encode(renumbered), nameless, 'untouched metadata stay as they were');
  const quoted =
    '{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n"},"spec":{"bgp":{"asNumber":"1.1"}},"status":{}}';
  t.equal(Node.decode(quoted, Node.key({name: 'n'})).spec.bgp?.asNumber, 65537);
  t.equal(Node.encode(Node.decode(quoted, Node.key({name: 'n'}))), quoted);
});

void t.test('what was read is frozen, and its labels have no prototype', async (t) => {
  const text = storedPool('{"cidr":"10.0.0.0/16"}', '"name":"p","labels":{"a":"b"}');
  const pool = IPPool.decode(text, POOL_KEY);
  for (const part of [pool, pool.spec, pool.metadata, pool.metadata.labels, pool.spec.allowedUses])
    t.ok(Object.isFrozen(part));
  t.equal(pool.metadata.labels.constructor, undefined);
  t.equal(labelMap(pool.metadata.labels).get('a'), 'b');
  t.equal(Reflect.get(IPPool.decode(storedPool('{"cidr":""}'), POOL_KEY).metadata.labels, 'toString'), undefined);
});

void t.test('wrong types in the store are refused by path, value and rule; odd values are only reported', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['{"cidr":7}', /IPPool at \/calico\/.*\/p: spec\.cidr = 7: must be a string/],
    ['{"cidr":"10.0.0.0/16","nodeSelector":{"a":"b"}}', /spec\.nodeSelector = an object: must be a string/],
    ['{"cidr":"10.0.0.0/16","blockSize":26.5}', /spec\.blockSize = 26\.5: must be a whole number/],
    ['{"cidr":"10.0.0.0/16","allowedUses":[1]}', /spec\.allowedUses\[0\] = 1: must be a string/],
    ['[]', /spec = a list of 0: must be an object/],
  ];
  for (const [spec, message] of cases)
    t.throws(() => IPPool.decode(storedPool(spec), POOL_KEY), {code: 'E_INVALID_RESOURCE', message});
  t.throws(() => IPPool.decode('{"kind"', POOL_KEY), {code: 'E_BAD_JSON', message: /IPPool at/});
  t.throws(() => IPPool.decode(storedPool('{"cidr":""}').replace('IPPool', 'Node'), POOL_KEY), {
    message: /kind = "Node": must be IPPool/,
  });
  const odd = IPPool.decode(storedPool('{"cidr":"10.66.141.1/24","allowedUses":["Gateway"]}'), POOL_KEY);
  t.same(IPPool.check(odd).map(formatViolation), [
    'spec.allowedUses[0] = "Gateway": must be one of Workload, Tunnel, LoadBalancer',
  ]);
  const masked = IPPool.decode(storedPool('{"cidr":"10.66.141.1/24"}'), POOL_KEY);
  t.same(IPPool.check(masked).map(formatViolation), [
    'spec.cidr = "10.66.141.1/24": must be strictly masked: 10.66.141.0/24',
  ]);
});

void t.test('input: every violation is named at once; fields match in any case', async (t) => {
  t.throws(
    () => IPPool.create({kind: 'IPPool', metadata: {name: 'A', label: {}}, spec: {cidr: 1, blocksize: 'x', nope: []}}),
    {
      code: 'E_INVALID_RESOURCE',
      message:
        'IPPool "A": metadata.label = an object: is not a field of this kind; spec.cidr = 1: must be a string; ' +
        'spec.blockSize = "x": must be a whole number; spec.nope = a list of 0: is not a field of this kind',
    },
  );
  const labelled = IPPool.create({
    metadata: {name: 'p', labels: {b: '1', B: '2', a: '3'}},
    spec: {cidr: '10.0.0.0/16'},
  });
  t.match(IPPool.encode(labelled), '"labels":{"B":"2","a":"3","b":"1"}', 'maps are sorted by their bytes');
  t.equal(IPPool.create({Metadata: {NAME: 'p'}, spec: {CIDR: '10.0.0.0/16'}}).spec.cidr, '10.0.0.0/16');
  t.throws(() => IPPool.create({metadata: {name: 'p'}, spec: {cidr: '10.0.0.0/16', CIDR: '10.0.0.0/16'}}), {
    message: /spec\.CIDR = "10\.0\.0\.0\/16": is given twice/,
  });
  for (const odd of [[], '', 0, false, new Date(), new Map()])
    t.throws(() => IPPool.create({metadata: {name: 'p', labels: odd}, spec: {cidr: '10.0.0.0/16'}}), {
      message: /metadata\.labels = .*: must be an object/,
    });
  t.throws(() => IPPool.create({metadata: {name: 'p'}, spec: {cidr: '10.0.0.0/16', nodeSelector: []}}), {
    message: /spec\.nodeSelector = a list of 0: must be a string/,
  });
  t.throws(() => IPPool.create('text'), {message: 'IPPool: value = "text": must be an object'});
  t.throws(() => IPPool.create({apiVersion: 'v1', metadata: {name: 'p'}, spec: {cidr: '10.0.0.0/16'}}), {
    message: /apiVersion = "v1": must be projectcalico.org\/v3/,
  });
  const wrongMeta = {name: 'p', namespace: 'x', labels: {'a b': 'c', d: '-'}, annotations: {'x/': 'y'}};
  t.throws(() => IPPool.create({metadata: wrongMeta, spec: {cidr: '10.0.0.0/16'}}), {
    message:
      /metadata\.namespace = "x": must be absent.*metadata\.labels = "a b".*metadata\.labels\[d\] = "-".*metadata\.annotations = "x\/"/,
  });
});

void t.test('pools: overlap and what may not change', async (t) => {
  const pool = (name: string, cidr: string, more = {}) => IPPool.create({metadata: {name}, spec: {cidr, ...more}});
  const pools = [pool('a', '10.0.0.0/16'), pool('b', 'fd00::/64')];
  t.equal(overlappingPool(pool('c', '10.0.128.0/17'), pools)?.metadata.name, 'a');
  t.equal(overlappingPool(pool('c', '10.1.0.0/16'), pools), undefined);
  t.equal(overlappingPool(pool('a', '10.0.0.0/17'), pools), undefined, 'a pool does not overlap itself');
  const before = pool('b', 'fd00::/64');
  t.same(poolChangeViolations(before, pool('b', 'fd00:0::/64', {natOutgoing: true})), [], 'another spelling is fine');
  t.same(poolChangeViolations(before, pool('b', 'fd01::/64', {blockSize: 120})).map(formatViolation), [
    'spec.cidr = "fd01::/64": must stay fd00::/64',
    'spec.blockSize = 120: must stay 122',
  ]);
});

void t.test('workload endpoints get their name and Calico’s own labels', async (t) => {
  const endpoint = WorkloadEndpoint.create({
    metadata: {namespace: 'prod', labels: {app: 'x', 'projectcalico.org/namespace': 'forged'}},
    spec: {
      orchestrator: 'k8s',
      node: 'node-1',
      pod: 'my-pod',
      endpoint: 'eth0',
      interfaceName: 'cali1',
      ports: [{name: 'dns', protocol: '17', port: 53}],
    },
  });
  t.equal(endpoint.metadata.name, 'node--1-k8s-my--pod-eth0');
  t.equal(endpoint.metadata.labels['projectcalico.org/namespace'], 'prod');
  t.equal(endpoint.spec.ports[0]?.protocol, 17, 'a number in quotes becomes a number');
  t.match(
    WorkloadEndpoint.encode(endpoint),
    '"ports":[{"name":"dns","protocol":17,"port":53,"hostPort":0,"hostIP":""}]',
  );
  t.equal(
    WorkloadEndpoint.key(endpoint.metadata),
    '/calico/resources/v3/projectcalico.org/workloadendpoints/prod/node--1-k8s-my--pod-eth0',
  );
  t.throws(() => WorkloadEndpoint.key({name: 'x'}), {code: 'E_INVALID_RESOURCE'}, 'a namespace is part of the key');
  t.throws(() => Node.key({name: 'a/b'}), {message: /name = "a\/b": must not be empty or contain a slash/});
});

void t.test('AS numbers and durations become what Calico writes', async (t) => {
  const node = (asNumber: unknown) => Node.create({metadata: {name: 'n'}, spec: {bgp: {asNumber}}}).spec.bgp?.asNumber;
  t.equal(node('64512'), 64512);
  t.equal(node('1.10'), 65546);
  t.throws(() => node(1.1), {message: /asNumber = 1\.1: must be a string or a whole number/});
  t.throws(() => node('1.65536'), {code: 'E_INVALID_RESOURCE'});
  const config = FelixConfiguration.create({metadata: {name: 'default'}, spec: {routeRefreshInterval: '90s'}});
  t.equal(config.spec.routeRefreshInterval, '1m30s');
  t.throws(
    () =>
      FelixConfiguration.create({metadata: {name: 'default'}, spec: {kubeNodePortRanges: [1, 2, 3, 4, 5, 6, 7, 8]}}),
    {
      message: /spec\.kubeNodePortRanges = a list of 8: must have at most 7 entries/,
    },
  );
});

void t.test('rules of a profile: what a newer Calico added survives, what a person misspelt is refused', async (t) => {
  const text =
    '{"kind":"Profile","apiVersion":"projectcalico.org/v3","metadata":{"name":"kns.x"},"spec":{"ingress":[{"action":"Allow","source":{"later":[1]},"destination":{},"later":9007199254740993}]}}';
  const key = Profile.key({name: 'kns.x'});
  const profile = Profile.decode(text, key);
  t.equal(Profile.encode(profile), text);
  t.equal(Profile.encode(Profile.complete({...profile, spec: {...profile.spec}})), text);
  t.throws(() => Profile.create({metadata: {name: 'x'}, spec: {ingress: [{action: 'Allow', ports: [1]}]}}), {
    message: /spec\.ingress\[0\]\.ports = a list of 1: is not a field of this kind/,
  });
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  t.throws(() => Profile.create({metadata: {name: 'x', ownerReferences: [cyclic]}}), {
    message: /nested more than 64 deep/,
  });
});

void t.test('kinds are found by what people and keys call them', async (t) => {
  t.equal(kindOfAlias('Pools')?.kind, 'IPPool');
  t.equal(kindOfAlias('ippools')?.kind, 'IPPool');
  t.equal(kindOfAlias('wep')?.kind, 'WorkloadEndpoint');
  t.equal(kindNamed('Node')?.plural, 'nodes');
  t.equal(kindNamed('constructor'), undefined);
  t.throws(() => requireKind('gizmo'), {code: 'E_UNKNOWN_KIND', message: 'there is no resource kind "gizmo"'});
  const aliases = KINDS.flatMap((kind) => kind.aliases);
  t.equal(new Set(aliases).size, aliases.length, 'no alias means two kinds');
  for (const kind of KINDS)
    t.ok(parseJson(JSON.stringify(kind.schema.toJSONSchema({unrepresentable: 'any', io: 'input'}))), kind.kind);
});
