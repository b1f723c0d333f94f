/** IPAM records: captured bytes survive, numbers are exact, other releases' forms are read, garbage is refused by name. */
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {
  DEFAULT_IPAM_CONFIG,
  decodeAffinity,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeAffinity,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
  readBlock,
} from '../../../src/model/ipam-records.ts';
import {parseKey} from '../../../src/model/keys.ts';
import {readStored} from './captured.ts';

const SEQUENCE = 1795251105812775185n;
const BLOCK = `{"cidr":"10.65.0.0/30","affinity":"host:node1","affinity_claim_time":"2026-11-21T08:51:45Z","allocations":[0,null,null,1],"unallocated":[1,2],"attributes":[{"handle_id":"h1","secondary":{"node":"node1"}},{"handle_id":"h2"}],"sequenceNumber":${SEQUENCE},"sequenceNumberForAllocation":{"0":${SEQUENCE - 9n},"3":7},"deleted":false}`;

const recode = (kind: string, value: string): string | undefined => {
  switch (kind) {
    case 'block':
      return encodeBlock(decodeBlock(value));
    case 'affinity':
      return encodeAffinity(decodeAffinity(value));
    case 'handle':
      return encodeHandle(decodeHandle(value));
    case 'ipam-config':
      return encodeIpamConfig(decodeIpamConfig(value));
    default:
      return undefined;
  }
};

void t.test('every captured record is written back byte for byte, also after a copy', async (t) => {
  const seen = new Map<string, number>();
  for (const {key, value} of readStored('stored.jsonl')) {
    const kind = parseKey(key)?.kind ?? 'unknown';
    const bytes = recode(kind, value);
    if (bytes === undefined) continue;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    t.equal(bytes, value, key);
    // A copy carries no stored text: this is what our own printing gives.
    if (kind === 'block') {
      t.equal(encodeBlock({...decodeBlock(value)}), value, `${key}, copied`);
      t.same(readBlock(value), decodeBlock(value), `${key}, to read only`);
    }
    if (kind === 'handle') t.equal(encodeHandle({...decodeHandle(value)}), value, `${key}, copied`);
  }
  t.same([...seen.keys()].sort(), ['affinity', 'block', 'handle', 'ipam-config']);
  t.ok((seen.get('block') ?? 0) > 20);
});

void t.test('sequence numbers are exact', async (t) => {
  const block = decodeBlock(BLOCK);
  t.equal(block.sequenceNumber, SEQUENCE);
  t.equal(block.sequenceNumberForAllocation.get(0), SEQUENCE - 9n);
  t.equal(block.sequenceNumberForAllocation.get(3), 7n);
  const next = {...block, sequenceNumber: block.sequenceNumber + 1n};
  t.equal(encodeBlock(next), BLOCK.replace(`"sequenceNumber":${SEQUENCE}`, `"sequenceNumber":${SEQUENCE + 1n}`));
});

void t.test('map keys are sorted by their bytes, as Go does', async (t) => {
  const block = {
    ...decodeBlock(BLOCK),
    sequenceNumberForAllocation: new Map([
      [2, 1n],
      [10, 2n],
      [1, 3n],
    ]),
  };
  t.match(encodeBlock(block), '"sequenceNumberForAllocation":{"1":3,"10":2,"2":1}');
  const attributes = [
    {
      handleId: undefined,
      secondary: new Map([
        ['pod', 'p'],
        ['Node', 'n'],
        ['namespace', 'd'],
      ]),
    },
  ];
  const owned = {...decodeBlock(BLOCK), allocations: [0, null, null, null], attributes};
  t.match(encodeBlock(owned), '"attributes":[{"secondary":{"Node":"n","namespace":"d","pod":"p"}}]');
});

void t.test('what other releases wrote is read, and written back as it was', async (t) => {
  const old =
    '{"cidr":"10.65.0.0/31","affinity":null,"strictAffinity":false,"allocations":[null,0],"unallocated":[0],"attributes":[{"handle_id":null,"secondary":null}],"hostAffinity":"node9"}';
  const block = decodeBlock(old);
  t.equal(block.affinity, undefined);
  t.equal(block.sequenceNumber, 0n);
  t.equal(block.attributes[0]?.handleId, undefined);
  t.equal(block.attributes[0]?.secondary.size, 0);
  t.equal(encodeBlock(block), old);
  t.match(encodeBlock({...block, sequenceNumber: 1n}), /"strictAffinity":false,"hostAffinity":"node9"\}$/);
  const unused =
    '{"cidr":"fd00::/127","affinity":"host:a","allocations":[null,null],"unallocated":[0,1],"attributes":null,"sequenceNumber":1,"sequenceNumberForAllocation":{},"deleted":false}';
  t.same(decodeBlock(unused).attributes, []);
  t.equal(encodeBlock(decodeBlock(unused)), unused);
  t.same({...decodeAffinity('')}, {state: 'confirmed', deleted: false, unknownFields: undefined});
  t.equal(encodeAffinity(decodeAffinity('')), '');
  t.equal(encodeAffinity({...decodeAffinity('{}'), state: 'pending'}), '{"state":"pending","deleted":false}');
  t.equal(encodeIpamConfig(decodeIpamConfig('{}')), '{}');
  t.equal(
    encodeIpamConfig({...DEFAULT_IPAM_CONFIG, strictAffinity: false}),
    '{"auto_allocate_blocks":true,"kubeVirtVMAddressPersistence":"Enabled"}',
  );
  t.equal(
    encodeIpamConfig({...DEFAULT_IPAM_CONFIG, strictAffinity: true, maxBlocksPerHost: 3, ipCooldownSeconds: 60}),
    '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":3,"kubeVirtVMAddressPersistence":"Enabled","ipCooldownSeconds":60}',
  );
});

void t.test('unknown fields survive a change, whatever they are called', async (t) => {
  const text =
    '{"block":{"10.0.0.0/26":1,"__proto__":2},"deleted":false,"__proto__":{"x":1},"constructor":9007199254740993}';
  const handle = decodeHandle(text);
  t.equal(handle.counts.get('__proto__'), 2);
  t.equal(
    encodeHandle({...handle, counts: new Map(handle.counts).set('10.0.0.0/26', 2)}),
    text.replace('26":1', '26":2'),
  );
});

void t.test('a malformed block names path, value and rule', async (t) => {
  const cases: readonly [string, string, RegExp][] = [
    ['[0,null,null,1]', '[0,null,null,2]', /allocations\[3\] = 2: must be null or an index into the 2 attributes/],
    ['[0,null,null,1]', '[0,null,null]', /allocations = a list of 3: must have 4 entries/],
    ['[1,2]', '[1,4]', /unallocated\[1\] = 4: must be between 0 and 3/],
    ['"3":7', '"4":7', /sequenceNumberForAllocation\[4\] = 7: must belong to an address of the block/],
    ['"3":7', '"3":"x"', /sequenceNumberForAllocation\[3\] = "x": must be a whole number/],
    ['10.65.0.0/30', '10.65.0.0/8', /cidr = "10.65.0.0\/8": must be a block/],
    ['"node":"node1"', '"node":1', /attributes\[0\].secondary\[node\] = 1: must be a string/],
    ['"host:node1"', '[]', /affinity = a list of 0: must be a string/],
  ];
  for (const [from, to, message] of cases) {
    t.ok(BLOCK.includes(from));
    t.throws(() => decodeBlock(BLOCK.replace(from, to)), {code: 'E_INVALID_RESOURCE', message});
  }
  t.ok(
    hasCode(
      thrown(() => decodeBlock('{')),
      'E_BAD_JSON',
    ),
  );
  t.ok(
    hasCode(
      thrown(() => decodeHandle('[]')),
      'E_INVALID_RESOURCE',
    ),
  );
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
