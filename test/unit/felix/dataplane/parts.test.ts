/** The small parts between intents and drivers, each by its promise. */
import t from 'tap';
import {downStatus, EndpointReport, errorStatus, upStatus} from '../../../../src/felix/dataplane/endpoint-report.ts';
import type {NeighbourKey, RouteEntry, RouteKey} from '../../../../src/felix/dataplane/entries.ts';
import {FailureLog} from '../../../../src/felix/dataplane/failure-log.ts';
import {Gate} from '../../../../src/felix/dataplane/gate.ts';
import {type HostLink, HostLinks} from '../../../../src/felix/dataplane/host-links.ts';
import {runPlan, type Step, type StepFailure} from '../../../../src/felix/dataplane/plan.ts';
import {RouteClaims} from '../../../../src/felix/dataplane/route-claims.ts';
import {RouteGrace} from '../../../../src/felix/dataplane/route-grace.ts';
import {Stage} from '../../../../src/felix/dataplane/stage.ts';
import type {Driver} from '../../../../src/lib/driver.ts';
import {AgentError, hasCode, messageOf} from '../../../../src/lib/errors.ts';
import type {Logger} from '../../../../src/lib/log.ts';
import {FakeClock, settle} from '../../../helpers/fake-clock.ts';

const link = (name: string, index: number, isUp = true, mtu = 1500): HostLink => ({name, index, isUp, mtu});
const signal = new AbortController().signal;

await t.test('links of the host', (t) => {
  const links = new HostLinks();
  links.replaceAll({
    links: [link('lo', 1), link('eth0', 2), link('eth1', 3, true, 1400), link('eth2', 4, false, 900)],
    addresses: [
      {linkIndex: 2, ip: '10.0.0.1'},
      {linkIndex: 3, ip: '10.0.0.1'},
      {linkIndex: 3, ip: 'fd00::1'},
    ],
  });
  t.equal(links.holderOf('10.0.0.1')?.name, 'eth0', 'the oldest holder');
  t.equal(links.smallestMtu(/^eth/), 1400, 'of those that are up');
  t.equal(links.smallestMtu(/^wl/), undefined);
  t.same(links.setLink(link('eth0', 2)), [], 'the same again is no change');
  t.match(links.setLink(link('eth0', 9)), [{name: 'eth0', previous: {index: 2}, current: {index: 9}}], 'made again');
  t.equal(links.holderOf('10.0.0.1')?.name, 'eth1', 'its address went with the first');
  t.match(links.setLink(link('uplink', 9)), [{name: 'eth0', current: undefined}, {name: 'uplink'}], 'renamed');
  t.ok(links.hasIpv4Address(3));
  links.deleteAddress({linkIndex: 3, ip: '10.0.0.1'});
  t.notOk(links.hasIpv4Address(3), 'an IPv6 address is none');
  t.match(
    links.replaceAll({links: [link('uplink', 9, false)], addresses: []}).map(({name}) => name),
    ['lo', 'eth1', 'eth2', 'uplink'],
    'a full read tells what it shows to have changed',
  );
  t.match(links.setUp('uplink'), [{current: {isUp: true}}]);
  t.same(links.setLink(link('uplink', 9, false)), [], 'news from before we set it up');
  t.same(links.setLink(link('uplink', 9, true)), [], 'the echo of it');
  t.match(links.setLink(link('uplink', 9, false)), [{current: {isUp: false}}], 'news from after');
  t.end();
});

await t.test('a gate opens and closes with its link', (t) => {
  const links = new HostLinks();
  const desired = new Map<NeighbourKey, string>();
  const forgotten: string[] = [];
  const gate = new Gate<NeighbourKey, {link: string; mac: string}>(
    {needs: 'link up'},
    {
      hostLinks: links,
      tracker: {
        setDesired: (key, {mac}) => void desired.set(key, mac),
        deleteDesired: (key) => void desired.delete(key),
      },
      forget: (key) => void forgotten.push(key),
    },
  );
  const key = 'a' as NeighbourKey;
  gate.set(key, {link: 'cali1', mac: '1'});
  t.equal(desired.size, 0, 'no such link');
  links.setLink(link('cali1', 5, false));
  gate.onLinkChange('cali1', false);
  t.equal(desired.size, 0, 'down');
  links.setLink(link('cali1', 5, true));
  gate.onLinkChange('cali1', false);
  t.equal(desired.get(key), '1');
  gate.set(key, {link: 'cali2', mac: '2'});
  t.equal(desired.size, 0, 'it moved to a link that is not there');
  t.notOk(gate.hasOn('cali1'));
  links.setLink(link('cali2', 6, true));
  gate.onLinkChange('cali2', true);
  t.same(forgotten, [key], 'what the link had is forgotten');
  t.equal(desired.get(key), '2');
  gate.delete(key);
  t.equal(desired.size, 0);
  t.notOk(gate.hasOn('cali2'));
  t.end();
});

await t.test('one destination, one route', (t) => {
  const routes = new Map<RouteKey, string>();
  const claims = new RouteClaims({
    sink: {set: (key, entry) => void routes.set(key, entry.link ?? ''), delete: (key) => void routes.delete(key)},
  });
  const entry = (destination: string, metric: number, via: string): RouteEntry => ({
    family: 4,
    table: 254,
    destination,
    metric,
    type: 'unicast',
    scope: 'link',
    protocol: 3,
    link: via,
    isOnlink: false,
  });
  claims.set('cluster', [{rank: 4, entry: entry('10.1.0.1/32', 0, 'vxlan')}]);
  claims.set('workload b', [{rank: 0, entry: entry('10.1.0.1/32', 1024, 'calib')}]);
  t.same([...routes], [['254 10.1.0.1/32 1024', 'calib']], 'the lower class wins, whatever the metric');
  claims.set('workload a', [{rank: 0, entry: entry('10.1.0.1/32', 1024, 'calia')}]);
  t.same([...routes.values()], ['calia'], 'then the first by name');
  t.equal(claims.winnerOf('10.1.0.1/32'), 'workload a');
  claims.delete('workload a');
  t.same([...routes.values()], ['calib'], 'the next is promoted');
  claims.set('workload b', [{rank: 0, entry: entry('10.1.0.2/32', 1024, 'calib')}]);
  t.same(
    [...routes],
    [
      ['254 10.1.0.1/32 0', 'vxlan'],
      ['254 10.1.0.2/32 1024', 'calib'],
    ],
  ); // prettier-ignore
  claims.delete('cluster');
  claims.delete('workload b');
  t.equal(routes.size, 0);
  t.end();
});

await t.test('the plan', async (t) => {
  const failure = (key: string): StepFailure => ({key, error: new Error(key)});
  const ran: string[] = [];
  const step = (name: string, failed: readonly StepFailure[] = [], isGuard = false): Step => ({
    name,
    isGuard,
    run: () => {
      ran.push(name);
      return Promise.resolve(failed);
    },
  });
  const steps = [step('a', [failure('x')]), step('b', [], true), step('c', [failure('y')], true), step('d')];
  let signs = 0;
  const result = await runPlan(steps, signal, () => signs++);
  t.same(ran, ['a', 'b', 'c'], 'a failure goes on, that of a guard ends it');
  t.equal(signs, 3, 'with a sign of life for each step');
  t.same([...result.failures.keys()], ['a', 'c']);
  t.equal(result.stoppedBy, 'c');
  t.equal((await runPlan([step('e')], signal, () => {})).stoppedBy, undefined);
  await t.rejects(
    runPlan(steps, AbortSignal.abort(new Error('stop')), () => {}),
    /stop/,
  );
});

await t.test('news during a round wait for its end', async (t) => {
  const kernel = new Map<string, string>();
  let onApply: (() => void) | undefined;
  const driver: Driver<string, string> = {
    kind: 'thing',
    equal: (a, b) => a === b,
    list: () => Promise.resolve([...kernel]),
    async apply({writes, removals}) {
      for (const [key, value] of writes) kernel.set(key, value);
      for (const key of removals.keys()) kernel.delete(key);
      onApply?.();
      return new Map();
    },
  };
  const stage = new Stage(driver, {clock: new FakeClock()});
  stage.tracker.setDesired('a', '1');
  onApply = () => {
    // After our write somebody deletes it: the echo of the write comes first.
    stage.observe('a', '1');
    kernel.delete('a');
    stage.observe('a', undefined);
  };
  t.same([...(await stage.run(signal)).written.keys()], ['a']);
  t.ok(stage.tracker.isPending('a'), 'the last news holds, not the success of the write');
  onApply = undefined;
  await stage.run(signal);
  t.equal(kernel.get('a'), '1');

  stage.amend('a', () => '2');
  t.ok(stage.tracker.isPending('a'));
  stage.amend('a', () => undefined);
  stage.amend('a', () => 'never asked for what is not known');
  t.same([...(await stage.run(signal)).written], [['a', '1']]);

  kernel.set('b', 'left behind');
  stage.invalidate();
  t.same([...(await stage.run(signal)).removed.keys()], ['b']);
  const broken = new Stage({...driver, list: () => Promise.reject(new Error('no answer'))}, {clock: new FakeClock()});
  t.match(await broken.run(signal), {error: {message: 'no answer'}}, 'a failed read is an outcome');
  await t.rejects(broken.run(AbortSignal.abort(new Error('stop'))), /stop/);
});

await t.test('the grace of unknown routes', async (t) => {
  const clock = new FakeClock();
  const claimed = new Set<string>();
  let released = 0;
  const grace = new RouteGrace(
    {graceMs: 10_000},
    {clock, isClaimed: (name) => claimed.has(name), onRelease: () => released++},
  );
  t.ok(grace.holds('cali1', 5), 'a link seen for the first time');
  await clock.advance(9_999);
  t.ok(grace.holds('cali1', 5));
  t.equal(released, 0);
  await clock.advance(1);
  t.equal(released, 1, 'the routes are judged again');
  t.notOk(grace.holds('cali1', 5), 'and are leftovers now');
  t.ok(grace.holds('cali1', 6), 'the link made again has its grace again');
  grace.review();
  t.equal(released, 1);
  claimed.add('cali1');
  grace.review();
  t.equal(released, 2, 'a wanted route ends the grace');
  t.notOk(grace.holds('cali1', 6));
  claimed.clear();
  t.notOk(grace.holds('cali1', 6), 'for good');
  grace.onLinkGone(6);
  t.ok(grace.holds('cali1', 6));
  grace.stop();
  t.equal(clock.waiting, 0);
});

await t.test('who waits for an endpoint', async (t) => {
  const changes: string[] = [];
  const report = new EndpointReport((id, status) => changes.push(`${id} ${status?.state}`));
  const early = report.waitFor('a', signal);
  report.expect('a');
  report.set('a', downStatus('interface is not there'));
  report.set('a', upStatus());
  await early;
  await report.waitFor('a', signal);
  t.same(changes, ['a down', 'a down', 'a up']);

  report.expect('a');
  const waiting = report.waitFor('a', signal).catch((error: unknown) => error);
  report.set('a', errorStatus('refused', [{kind: 'route', key: '10.1.0.1/32', error: new Error('refused')}]));
  const error = await waiting;
  t.ok(error instanceof AgentError && hasCode(error, 'E_ENDPOINT_FAILED'));
  t.match(error, {context: {endpoint: 'a', failed: ['route 10.1.0.1/32']}});

  const controller = new AbortController();
  const given = report.waitFor('b', controller.signal).catch((reason: unknown) => reason);
  controller.abort();
  t.ok(hasCode(await given, 'E_ABORTED'));
  t.match(messageOf(await given), /not known to the calculation yet/);
  report.set('b', downStatus('interface calib is not there'));
  const late = await report
    .waitFor('b', AbortSignal.abort(new DOMException('late', 'TimeoutError')))
    .catch((reason: unknown) => reason);
  t.ok(hasCode(late, 'E_DEADLINE'));
  t.match(messageOf(late), /interface calib is not there/);
  report.delete('b');
  t.notOk(report.statuses.has('b'));
});

await t.test('a failure is told once, and its end', async (t) => {
  const lines: string[] = [];
  const write = (level: string) => (_fields: unknown, message: string) => lines.push(`${level} ${message}`);
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  };
  const failures = new FailureLog({log});
  const failing = (keys: string[], stoppedBy?: string) => ({
    failures: new Map(keys.length > 0 ? [['route', keys.map((key) => ({key, error: new Error('no')}))]] : []),
    stoppedBy,
  });
  failures.note(failing(['a']));
  failures.note(failing(['a']));
  failures.note(failing(['a', 'b']));
  failures.note(failing([]));
  failures.note(failing(['a'], 'route'));
  t.same(lines, [
    'warn data plane step failed, will be tried again',
    'warn data plane step failed, will be tried again',
    'info data plane step works again',
    'error data plane step failed, new workload interfaces stay down',
  ]);
  await settle();
});
