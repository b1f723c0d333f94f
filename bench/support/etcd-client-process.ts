/**
 * A node's share of the load on one etcd, in a process of its own: swaps of a key of its own, or addresses of its own
 * node. Started by EtcdClients; one order at a time.
 */
import {AllocatingNode} from './allocating-node.ts';
import {CountingStore} from './counting-store.ts';
import {openEtcd} from './etcd.ts';
import type {ClientAnswer, ClientOrder} from './etcd-clients.ts';
import {Swap} from './swap.ts';

const [endpoint = '', name = ''] = process.argv.slice(2);
const store = new CountingStore(openEtcd(endpoint));
const node = await AllocatingNode.start(name, store);
const swap = await Swap.start(store, name);
let giveBack = async (): Promise<void> => {};

async function obey(order: ClientOrder): Promise<ClientAnswer> {
  store.take();
  switch (order.kind) {
    case 'swap':
      for (let n = 0; n < order.count; n++) await swap.once();
      break;
    case 'assign':
      giveBack = await node.fill(order.count, order.atOnce);
      break;
    case 'give back':
      await giveBack();
      break;
  }
  const {sizes, conflicts} = store.take();
  return {commits: sizes.length, conflicts};
}

process.on('message', (order: ClientOrder) => {
  // A defect ends the process, and with it the bench.
  void obey(order).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => process.exit());
process.send?.({commits: 0, conflicts: 0} satisfies ClientAnswer);
