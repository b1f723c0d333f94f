/**
 * What Calico's start-up wrote for an environment (test/fixtures/node/startup.jsonl, captured), ours writes too: the
 * same resources with the same fields, and the same refusals.
 */
import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {Resources} from '../../../src/datastore/resources.ts';
import type {Store} from '../../../src/datastore/store.ts';
import {parseIp, parseIpWithPrefix} from '../../../src/lib/cidr.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {messageOf} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {RESOURCES_PREFIX} from '../../../src/model/keys.ts';
import type {HostInterface} from '../../../src/node/address-detection.ts';
import {type Environment, parseNodeSettings} from '../../../src/node/environment.ts';
import {chooseNodeName} from '../../../src/node/node-name.ts';
import {type StartupDependencies, startNode} from '../../../src/node/startup.ts';

interface Case {
  readonly name: string;
  readonly env: Environment;
  readonly exit: number;
  /** plural/name -> spec, where it was new or changed. */
  readonly written: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Written as in the first case. */
  readonly same: readonly string[];
}

/** Where what is stored differs on purpose, and why; the exit code is still Calico's. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'backend-none': 'the Node is made: without it IPAM cannot give this node an address',
  'second-run-ip6-none': 'depends on an IPv6 address that a step outside the capture had stored',
};

const cases = readFileSync(new URL('../../fixtures/node/startup.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

/** The host of the capture. */
const INTERFACES: readonly HostInterface[] = [
  hostInterface(1, 'lo', ['127.0.0.1/8', '::1/128']),
  hostInterface(2, 'eth0', ['10.95.1.11/24', 'fd00:95:1::11/64', 'fe80::95:1ff:fe00:b/64']),
  hostInterface(3, 'eth1p', ['fe80::40c4:a4ff:fe66:2d5/64']),
  hostInterface(4, 'eth1', ['192.168.77.5/24', 'fe80::9095:52ff:fef2:9fe5/64']),
  hostInterface(5, 'docker0', ['172.17.0.1/16', 'fe80::f867:5fff:fe75:f6bc/64']),
];

function hostInterface(index: number, name: string, addresses: readonly string[]): HostInterface {
  return {index, name, up: true, addresses: addresses.flatMap((text) => parseIpWithPrefix(text) ?? [])};
}

const folder = mkdtempSync(join(tmpdir(), 'calico-startup-'));
const store = await EmbeddedStore.open({folder: join(folder, 'store')}, {clock: systemClock, log: silentLogger});
t.teardown(async () => {
  await store.close();
  rmSync(folder, {recursive: true, force: true});
});

let randomCounter = 0;
const dependencies: StartupDependencies = {
  resources: new Resources({store, clock: systemClock}),
  log: silentLogger,
  readInterfaces: () => Promise.resolve(INTERFACES),
  kernelHasIpv6: () => true,
  randomBytes: (count) => new Uint8Array(count).fill(++randomCounter),
  // The capture's host reaches its gateway through eth0 and resolves nothing.
  sourceTowards: (target) => Promise.resolve(parseIp(target) ? parseIp('10.95.1.11') : undefined),
};

const baseDefault = new Map<string, unknown>();

for (const {name, env, exit, written, same} of cases) {
  await t.test(name, async (t) => {
    if (!name.startsWith('second-') || name === 'second-run-a') await empty(store);
    const before = await specs(store);
    const failure = await start(env);
    if (exit !== 0) {
      t.not(failure, undefined, 'must be refused as Calico does');
      t.notMatch(Object.keys(difference(before, await specs(store))).join(), /nodes\/|ippools\//, 'nothing half done');
      return;
    }
    t.equal(failure, undefined);
    if (Object.hasOwn(DIFFERENCES, name)) return;
    const after = await specs(store);
    for (const [key, spec] of Object.entries(written))
      t.strictSame(comparable(key, after.get(key)), comparable(key, spec), key);
    for (const key of same) t.strictSame(comparable(key, after.get(key)), comparable(key, baseDefault.get(key)), key);
    const expected = new Set([...Object.keys(written), ...same]);
    t.strictSame(
      Object.keys(difference(before, after)).filter((key) => !expected.has(key)),
      [],
      'nothing else is written',
    );
    if (name === 'base-default') for (const [key, spec] of after) baseDefault.set(key, spec);
  });
}

await t.test('a second start with the same settings writes nothing', async (t) => {
  await empty(store);
  const env = {NODENAME: 'node1', IP: 'autodetect', CLUSTER_TYPE: 'k8s,bgp'};
  t.equal(await start(env), undefined);
  const before = await store.list('/calico/');
  t.equal(await start(env), undefined);
  t.strictSame((await store.list('/calico/')).entries, before.entries);
});

async function start(env: Environment): Promise<string | undefined> {
  try {
    const nodeName = chooseNodeName({
      variable: env.NODENAME,
      file: undefined,
      hostnameVariable: env.HOSTNAME,
      systemHostname: 'node1',
    });
    await startNode({nodeName, settings: parseNodeSettings(env), calicoVersion: 'v3.32.1'}, dependencies);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function specs(from: Store): Promise<Map<string, unknown>> {
  const {entries} = await from.list(RESOURCES_PREFIX);
  return new Map(
    entries.map(({key, value}) => [key.slice(RESOURCES_PREFIX.length), (JSON.parse(value) as {spec: unknown}).spec]),
  );
}

function difference(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): Record<string, unknown> {
  const changed = [...after].filter(([key, spec]) => {
    try {
      assert.deepEqual(spec, before.get(key));
      return false;
    } catch {
      return true;
    }
  });
  return Object.fromEntries(changed);
}

/** Without what is random: the GUID, and the prefix of a pool nobody chose. */
function comparable(key: string, spec: unknown): unknown {
  const fields = {...(spec as Record<string, unknown>)};
  if ('clusterGUID' in fields) fields.clusterGUID = 'GUID';
  if (key.endsWith('ipv6-ippool') && /^fd.*\/48$/.test(String(fields.cidr))) fields.cidr = 'ULA';
  return fields;
}

async function empty(of: Store): Promise<void> {
  for (const {key} of (await of.list('/calico/')).entries) await of.commit([{kind: 'delete', key}]);
}
