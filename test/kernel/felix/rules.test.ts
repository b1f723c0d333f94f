/**
 * Closed by default: an interface never comes up before the step for rules has succeeded, and a failing one never takes
 * a pod down that is already connected.
 */
import t from 'tap';
import type {RulesStep} from '../../../src/felix/dataplane/rules-step.ts';
import {hasCode, messageOf} from '../../../src/lib/errors.ts';
import {FelixRig} from '../../helpers/felix-rig.ts';
import {addVeth, BASE, endpoint, endpointId, makeHost} from './support/host.ts';

class SwitchedRules implements RulesStep {
  isBroken = false;
  calls = 0;
  apply(): Promise<void> {
    this.calls++;
    return this.isBroken ? Promise.reject(new Error('the packet filter is not there')) : Promise.resolve();
  }
}

await t.test('a failing rules step keeps the link of a new pod down', async (t) => {
  const host = makeHost(t);
  for (const n of [1, 2]) addVeth(host, n);
  const rules = new SwitchedRules();
  const rig = new FelixRig({netnsFd: host.fd, rules});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  const isUp = (n: number) => /[<,]UP[,>]/.test(host.ip(`link show cali${n}`));
  const waiting = () => AbortSignal.timeout(20_000);

  rig.accept(...BASE, endpoint(1));
  t.equal(await rig.run(), 'done');
  await rig.dataPlane.waitForEndpoint(endpointId(1), waiting());
  t.ok(isUp(1), 'with rules in force the first pod is connected');

  rules.isBroken = true;
  rig.accept(endpoint(2));
  const answer = rig.dataPlane.waitForEndpoint(endpointId(2), waiting()).catch((error: unknown) => error);
  t.equal(await rig.run(), 'retry');
  t.notOk(isUp(2), 'the link of the new pod is down');
  t.notMatch(host.ip('route show'), /10\.244\.0\.2/, 'and nothing leads to it');
  t.equal(host.sysctl('net/ipv4/conf/cali2/proxy_arp'), '0', 'nobody answers for its gateway');
  const error = await answer;
  t.ok(hasCode(error, 'E_ENDPOINT_FAILED'), 'the waiting ADD hears of it');
  t.match(messageOf(error), /the packet filter is not there/);
  t.match(rig.dataPlane.statuses.get(endpointId(2)), {state: 'error'});
  t.ok(isUp(1), 'the first pod stays connected');
  t.equal(rig.dataPlane.statuses.get(endpointId(1))?.state, 'up');

  t.equal(await rig.run(), 'retry', 'it is tried again');
  t.notOk(isUp(2));

  rules.isBroken = false;
  t.equal(await rig.run(), 'done');
  t.ok(isUp(2), 'with rules in force the link comes up');
  await rig.dataPlane.waitForEndpoint(endpointId(2), waiting());
});

await t.test('a setting that is refused keeps the link down too', async (t) => {
  const host = makeHost(t);
  addVeth(host, 1);
  const rig = new FelixRig({
    netnsFd: host.fd,
    wrap: (kernel) => ({
      ...kernel,
      drivers: {
        ...kernel.drivers,
        interfaces: {
          kind: kernel.drivers.interfaces.kind,
          equal: (desired, actual) => kernel.drivers.interfaces.equal(desired, actual),
          list: (signal) => kernel.drivers.interfaces.list(signal),
          apply: ({writes, removals}, signal) =>
            kernel.drivers.interfaces.apply(
              {
                removals,
                writes: new Map(
                  [...writes].map(([key, entry]) => [
                    key,
                    {
                      ...entry,
                      sysctls: [...entry.sysctls, {path: 'net/ipv4/conf/cali1/no_such', value: '1', isOptional: false}],
                    },
                  ]),
                ),
              },
              signal,
            ),
        },
      },
    }),
  });
  t.teardown(() => rig.close());
  rig.accept(...BASE, endpoint(1));
  const answer = rig.dataPlane
    .waitForEndpoint(endpointId(1), AbortSignal.timeout(20_000))
    .catch((error: unknown) => error);
  t.equal(await rig.run(), 'retry');
  t.notMatch(host.ip('link show cali1'), /[<,]UP[,>]/);
  t.match(messageOf(await answer), /cannot write 1 to \/proc\/sys\/net\/ipv4\/conf\/cali1\/no_such: ENOENT/);
});
