/** The checker of the fire suite sees what it must see, and nothing where nothing is wrong. */
import t from 'tap';
import {checkIpam} from './support/checker.ts';

const block = {
  cidr: '10.0.0.0/31',
  affinity: 'host:n1' as string | null,
  allocations: [0, null] as (number | null)[],
  unallocated: [1],
  attributes: [{handle_id: 'net.a', secondary: {}}] as object[],
  sequenceNumber: 5,
  sequenceNumberForAllocation: {'0': 4} as object,
};
const BLOCK = '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-31';

function findings(
  change: Partial<typeof block>,
  handle = '{"block":{"10.0.0.0/31":1}}',
  claim = '{"state":"confirmed"}',
) {
  return checkIpam([
    {key: BLOCK, value: JSON.stringify({...block, ...change})},
    {key: '/calico/ipam/v2/handle/net.a', value: handle},
    {key: '/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-31', value: claim},
  ]);
}

void t.test('a sound block', async (t) => {
  const {problems, owners, overcounts, unconfirmed} = findings({});
  t.same([problems, overcounts, unconfirmed], [[], [], []]);
  t.same([...owners], [['10.0.0.0', 'net.a']]);
  const large = JSON.stringify(block)
    .replace('Number":5', 'Number":1795630056165457965')
    .replace('4}', '1795630056165457964}');
  t.match(checkIpam([{key: BLOCK, value: large.replace('"host:n1"', 'null')}]).problems, [
    /^handle net\.a .* counts undefined of 1$/,
  ]);
});

for (const [what, change, problem] of [
  ['free and taken', {unallocated: [0, 1]}, /ordinal 0 is free and taken/],
  ['neither', {unallocated: []}, /ordinal 1 is free and taken, or neither/],
  ['queued twice', {unallocated: [1, 1]}, /queues an ordinal twice/],
  ['an owner without address', {attributes: [...block.attributes, {handle_id: 'net.b'}]}, /keeps an owner without/],
  ['an owner twice', {attributes: [...block.attributes, ...block.attributes]}, /has an owner twice/],
  ['no number', {sequenceNumberForAllocation: {}}, /ordinal 0 is taken, its number is undefined/],
  ['a number of a free address', {sequenceNumberForAllocation: {'0': 4, '1': 4}}, /ordinal 1 is free, its number is 4/],
  ['a number from the future', {sequenceNumberForAllocation: {'0': 5}}, /ordinal 0 has number 5, the block 5/],
  ["somebody else's", {affinity: 'host:n2'}, /is confirmed for a block of host:n2/],
  ['a wrong size', {allocations: [0]}, /has a wrong size/],
] as const)
  void t.test(what, async (t) => {
    t.ok(
      findings(change as Partial<typeof block>).problems.some((each) => problem.test(each)),
      findings(change as Partial<typeof block>).problems.join('; '),
    );
  });

void t.test('handles and claims', async (t) => {
  t.same(findings({}, '{"block":{"10.0.0.0/31":2}}').overcounts, ['net.a 10.0.0.0/31']);
  t.match(findings({}, '{"block":{}}').problems, [/^handle net\.a is empty$/, /counts undefined of 1$/]);
  t.match(findings({}, '{"block":{"10.0.0.0/31":0}}').problems, [/counts 0 in/, /counts 0 of 1$/]);
  t.same(findings({}, undefined, '{"state":"pending"}').unconfirmed, ['n1 10.0.0.0/31 pending']);
  t.match(findings({}, undefined, '{"state":"odd"}').problems, [/ is odd$/]);
});
