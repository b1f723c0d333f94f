/**
 * An etcd that Calico filled is read and edited through the executable, and what is written back is what was there but
 * for the edit, byte by byte as etcd's own client shows it: for every kind, as captured, and with fields of a later
 * Calico in every object of every value.
 */
import {execFile} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import t, {type Test} from 'tap';
import {openStore, parseStoreConfig} from '../../../src/datastore/open-store.ts';
import {compareBytes} from '../../../src/lib/byte-order.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {
  emptyObject,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  parseJsonObject,
  printJson,
} from '../../../src/lib/exact-json.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {requireKind} from '../../../src/model/kinds.ts';
import {metadataSchema} from '../../../src/model/resource.ts';
import {EtcdServer, readAll} from '../../helpers/etcd-server.ts';
import {plantFields} from '../../helpers/planted-fields.ts';

t.setTimeout(0);

/** A place in one resource of each kind that calicoctl writes, what a patch puts there, and what a document. */
const EDITS: readonly (readonly [
  kind: string,
  name: string,
  pointer: string,
  patched: JsonValue,
  applied: JsonValue,
])[] = [
  ['BGPConfiguration', 'default', '/spec/listenPort', 1791, 1792],
  ['BGPFilter', 'full-filter', '/spec/exportV4/0/priority', 101, 102],
  ['BGPPeer', 'peer-full', '/spec/ttlSecurity', 2, 3],
  ['FelixConfiguration', 'default', '/spec/vxlanPort', 4791, 4792],
  ['GlobalNetworkPolicy', 'gnp-full', '/spec/ingress/1/icmp/code', 1, 2],
  ['GlobalNetworkSet', 'gns-full', '/spec/nets/0', '198.51.100.0/25', '198.51.100.0/26'],
  ['HostEndpoint', 'hep-full', '/spec/ports/0/port', 81, 82],
  ['IPPool', 'pool-full-v4', '/spec/nodeSelector', 'has(rack)', 'all()'],
  ['IPReservation', 'resv-full', '/spec/reservedCIDRs/1', '10.100.1.8', '10.100.1.9'],
  [
    'KubeControllersConfiguration',
    'default',
    '/spec/controllers/node/hostEndpoint/templates/0/interfacePattern',
    'eth1',
    'eth2',
  ],
  ['NetworkPolicy', 'prod/np-full', '/spec/egress/0/destination/ports/0', 54, 55],
  ['NetworkSet', 'prod/ns-full', '/spec/nets/0', '198.18.0.0/16', '198.18.0.0/17'],
  ['Node', 'node-full', '/spec/bgp/routeReflectorClusterID', '244.0.0.2', '244.0.0.3'],
  ['Profile', 'prof-full', '/spec/ingress/0/destination/ports/0', 81, 82],
  ['StagedGlobalNetworkPolicy', 'sgnp-full', '/spec/order', 8.5, 9.75],
  ['StagedKubernetesNetworkPolicy', 'prod/sknp-full', '/spec/ingress/0/ports/0/port', 81, 'web'],
  ['StagedNetworkPolicy', 'prod/snp-full', '/spec/order', 4, 5],
  ['Tier', 'security', '/spec/order', 13, 14.25],
  ['WorkloadEndpoint', 'prod/node1-k8s-my--pod--with--dashes-eth0', '/spec/ports/0/hostPort', 81, 82],
];

type Values = Map<string, string>;

const captured: ReadonlyMap<string, string> = new Map(
  readFileSync(new URL('../../fixtures/calicoctl/stores/resources.jsonl', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as {key: string; value: string})
    .map(({key, value}) => [key, value]),
);

const server = await EtcdServer.start(t);
const settings = {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: server.endpoint};

interface Outcome {
  readonly exit: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function calicoctl(args: readonly string[], stdin = ''): Promise<Outcome> {
  const program = fileURLToPath(new URL('../../../bin/calicoctl', import.meta.url));
  const env = {PATH: process.env.PATH, ...settings};
  return new Promise((resolve) => {
    const child = execFile(program, args, {env, maxBuffer: 64 * 1024 * 1024}, (error, stdout, stderr) => {
      resolve({exit: error === null ? 0 : error.code, stdout, stderr});
    });
    child.stdin?.end(stdin);
  });
}

async function values(): Promise<Values> {
  const all = await readAll(server, '/calico/');
  return new Map([...all].map(([key, {value}]) => [key, value]));
}

/** What is stored of the kinds that calicoctl writes. */
const WRITABLE = [...captured.values()]
  .map((text) => parseJsonObject(text))
  .filter(({kind}) => EDITS.some(([edited]) => edited === kind));

const keyOf = (kind: string, name: string): string => {
  const [last = '', namespace] = name.split('/').reverse();
  return requireKind(kind).key({name: last, namespace});
};

/** Name and namespace as arguments. */
const operands = (name: string): string[] => {
  const [last = '', namespace] = name.split('/').reverse();
  return namespace === undefined ? [last] : [last, '-n', namespace];
};

/** The value with another one at the place. */
function edited(value: JsonValue, pointer: string, replacement: JsonValue): JsonValue {
  const [, step = '', ...rest] = pointer.split('/');
  const inner = (old: JsonValue) => (rest.length === 0 ? replacement : edited(old, `/${rest.join('/')}`, replacement));
  if (Array.isArray(value)) return value.map((old: JsonValue, i) => (String(i) === step ? inner(old) : old));
  if (!isJsonObject(value) || value[step] === undefined) throw new Error(`there is no ${step}`);
  return {...value, [step]: inner(value[step])};
}

const editedText = (text: string, pointer: string, replacement: JsonValue): string =>
  printJson(edited(parseJsonObject(text), pointer, replacement));

/** The stored text with one more label; where there were none, they are where Go puts them. */
function labelled(text: string): string {
  const resource = parseJsonObject(text);
  const metadata = isJsonObject(resource.metadata) ? resource.metadata : {};
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {};
  const names = [...Object.keys(labels), 'edited'].sort(compareBytes);
  const all = Object.fromEntries(names.map((name) => [name, labels[name] ?? 'yes']));
  const entries = Object.entries(metadata);
  if (metadata.labels === undefined) {
    const order = Object.keys(metadataSchema.shape);
    const behind = entries.findIndex(([name]) => order.indexOf(name) > order.indexOf('labels'));
    entries.splice(behind < 0 ? entries.length : behind, 0, ['labels', {}]);
  }
  const changed = emptyObject<JsonValue | undefined>();
  for (const [name, value] of entries) changed[name] = name === 'labels' ? all : value;
  return printJson({...resource, metadata: changed});
}

async function fill(content: ReadonlyMap<string, string>): Promise<void> {
  const store = await openStore(parseStoreConfig(settings), {clock: systemClock, log: silentLogger});
  try {
    await store.commit([...content].map(([key, value]) => ({kind: 'put', key, value})));
  } finally {
    await store.close();
  }
}

/** All resources of the kinds that calicoctl writes, as it shows them, in one call. */
async function shown(t: Test): Promise<JsonObject[]> {
  const {exit, stdout, stderr} = await calicoctl(['get', '-f', '-', '-o', 'json'], asInput(WRITABLE));
  t.match({exit, stderr}, {exit: 0, stderr: ''});
  return parseJson(stdout) as JsonObject[];
}

const asInput = (documents: readonly JsonObject[]): string => documents.map(printJson).join('\n---\n');

/** The commands that a document goes through run on both; the others, one per kind, only on what has more in it. */
const planting = new Map([...captured].map(([key, value]) => [key, plantFields(key, value)]));
for (const [name, content] of [
  ['as captured', captured],
  ['with fields of a later Calico', planting],
] as const)
  await t.test(name, async (t) => {
    const expected: Values = new Map(content);
    await fill(content);
    t.same(await values(), expected);
    const check = async (t: Test, what: string) => {
      const now = await values();
      t.same([...now.keys()], [...expected.keys()], `${what}: the keys`);
      for (const [key, value] of expected) t.equal(now.get(key), value, `${what}: ${key}`);
    };

    await t.test('what is shown is applied: nothing changes', async (t) => {
      t.match(await calicoctl(['apply', '-f', '-'], asInput(await shown(t))), {exit: 0, stderr: ''});
      await check(t, 'applied');
    });

    if (content === planting)
      await t.test('lists', async (t) => {
        for (const [kind] of EDITS) {
          const scope = requireKind(kind).namespaced ? ['-A'] : [];
          const {exit, stdout, stderr} = await calicoctl(['get', kind, ...scope, '-o', 'json']);
          t.match({exit, stderr}, {exit: 0, stderr: ''}, kind);
          const names = [...captured.keys()].filter((key) => key.startsWith(requireKind(kind).prefix()));
          const {items} = parseJsonObject(stdout);
          t.ok(Array.isArray(items) && items.length >= names.length && names.length > 0, `${names.length} of ${kind}`);
          t.notMatch(stdout, /fromTheFuture|__proto__/, 'without what people could not write');
        }
      });

    if (content === planting)
      await t.test('labels', async (t) => {
        for (const [kind, name] of EDITS) {
          t.match(
            await calicoctl(['label', kind, ...operands(name), 'edited=yes']),
            {exit: 0, stderr: ''},
            `${kind} ${name}`,
          );
          expected.set(keyOf(kind, name), labelled(expected.get(keyOf(kind, name)) ?? ''));
        }
        await check(t, 'labelled');
      });

    if (content === planting)
      await t.test('patches', async (t) => {
        for (const [kind, name, pointer, value] of EDITS) {
          const patch = printJson([{op: 'replace', path: pointer, value}]);
          const args = ['patch', kind, ...operands(name), '-t', 'json', '-p', patch];
          t.match(await calicoctl(args), {exit: 0, stderr: ''}, `${kind} ${name}`);
          const key = keyOf(kind, name);
          expected.set(key, editedText(expected.get(key) ?? '', pointer, value));
        }
        await check(t, 'patched');
      });

    await t.test('documents with one other field', async (t) => {
      let documents = await shown(t);
      for (const [kind, name, pointer, , value] of EDITS) {
        const [last, namespace] = name.split('/').reverse();
        documents = documents.map((document) => {
          const {metadata} = document;
          const isIt =
            document.kind === kind &&
            isJsonObject(metadata) &&
            metadata.name === last &&
            metadata.namespace === namespace;
          return isIt ? (edited(document, pointer, value) as JsonObject) : document;
        });
        const key = keyOf(kind, name);
        expected.set(key, editedText(expected.get(key) ?? '', pointer, value));
      }
      t.match(await calicoctl(['apply', '-f', '-'], asInput(documents)), {exit: 0, stderr: ''});
      await check(t, 'applied');
    });
  });
