/** The setting of IPAM that Calico got after the release that was captured. */
import t from 'tap';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';

const rig = await CalicoctlRig.open(t.testdir({}));
t.teardown(() => rig.close());

void t.test('how long a released address rests', async (t) => {
  const configure = (...args: readonly string[]) => rig.run(['ipam', 'configure', ...args]);
  const stored = async () => (await rig.content()).get('/calico/ipam/v2/config');
  t.same(await configure('--ip-cooldown-seconds=300'), {
    exit: 0,
    stdout: 'Successfully set IPCooldownSeconds to: 300\n',
    stderr: '',
  });
  t.match(await stored(), '"ipCooldownSeconds":300');
  t.match(await configure('--strictaffinity=true'), {exit: 0});
  t.match(await stored(), /"strict_affinity":true.*"ipCooldownSeconds":300/, 'what is not given stays');
  for (const value of ['-1', '1.5', 'x', ''])
    t.match(await configure(`--ip-cooldown-seconds=${value}`), {exit: 1, stdout: ''}, value);
  t.match(await configure('--ip-cooldown-seconds=0'), {exit: 0});
  t.notMatch(await stored(), /ipCooldownSeconds/);
});
