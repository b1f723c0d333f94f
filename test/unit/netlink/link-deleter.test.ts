/** Deletions that wait together go together. */
import t from 'tap';
import type {NetlinkReply} from '../../../src/native/addon.ts';
import {NLMSG, RTM} from '../../../src/netlink/constants.ts';
import {LinkDeleter} from '../../../src/netlink/link-deleter.ts';
import {settle} from '../../helpers/fake-clock.ts';
import {errorBody, FakeNetlink, replyOf} from './support/fake-netlink.ts';

/** Answers only when told to. */
function slowKernel(): {fake: FakeNetlink; answer: () => Promise<void>; sent: () => string[]} {
  const waiting: (() => void)[] = [];
  const fake = new FakeNetlink(
    (messages) =>
      new Promise<NetlinkReply>((resolve) => {
        const sequence = messages.at(-1)?.sequence ?? 0;
        waiting.push(() => resolve(replyOf([{type: NLMSG.ERROR, sequence, body: errorBody(0)}])));
      }),
  );
  return {
    fake,
    answer: async () => {
      waiting.shift()?.();
      await settle();
    },
    sent: () =>
      fake.sends.map(({call, messages}) => {
        const type = messages[0]?.type === RTM.DELLINK ? 'delete' : 'group';
        return `${call} ${type} ${messages.length}`;
      }),
  };
}

void t.test('one turn of the event loop is one group, and what comes meanwhile is the next', async (t) => {
  const {fake, answer, sent} = slowKernel();
  const deleter = new LinkDeleter({}, {addon: fake.addon});
  const first = ['a', 'b', 'c'].map((name) => deleter.delete(name));
  t.strictSame(sent(), []);
  await settle();
  t.strictSame(sent(), ['async group 3']);
  const second = ['d', 'e', 'd'].map((name) => deleter.delete(name));
  await answer();
  t.strictSame(sent().slice(1), ['async delete 1']);
  await answer();
  await Promise.all(first);
  t.strictSame(sent().slice(2), ['async group 2'], 'the same name twice is one deletion');
  await answer();
  await answer();
  await Promise.all(second);
  const alone = deleter.delete('f');
  await settle();
  t.strictSame(sent().slice(4), ['async delete 1'], 'one link needs no group');
  await answer();
  await alone;
  deleter.close();
  t.ok(fake.closed);
});
