/** Results as each version of the specification writes them: the bytes that Calico printed. */
import t from 'tap';
import {type CniResult, printResult, readIpamResult} from '../../../src/cni/result.ts';
import {parseJsonObject} from '../../../src/lib/exact-json.ts';

const both: CniResult = {
  interfaces: [{name: 'calip1'}, {name: 'eth0', mac: 'ea:de:72:9f:f4:9e', mtu: 1400, sandbox: '/run/netns/p1'}],
  ips: [
    {address: '10.244.0.15/32', interface: 1},
    {address: 'fd00:10:244::40/128', interface: 1},
  ],
  routes: [{dst: '10.244.0.15/26'}, {dst: 'fd00:10:244::40/122'}],
};
const ipam: CniResult = {
  interfaces: [],
  ips: [{address: '10.244.0.16/26'}],
  routes: [{dst: '10.244.0.16/26', gw: '10.0.0.1'}],
};

void t.test('1.0.0 and 1.1.0', async (t) => {
  const expected = `{
    "cniVersion": "1.0.0",
    "interfaces": [
        {
            "name": "calip1"
        },
        {
            "mac": "ea:de:72:9f:f4:9e",
            "mtu": 1400,
            "name": "eth0",
            "sandbox": "/run/netns/p1"
        }
    ],
    "ips": [
        {
            "address": "10.244.0.15/32",
            "interface": 1
        },
        {
            "address": "fd00:10:244::40/128",
            "interface": 1
        }
    ],
    "routes": [
        {
            "dst": "10.244.0.15/26"
        },
        {
            "dst": "fd00:10:244::40/122"
        }
    ]
}`;
  t.equal(printResult('1.0.0', both), expected);
  t.equal(printResult('1.1.0', both), expected.replace('1.0.0', '1.1.0'));
});

void t.test('0.3.0 to 0.4.0', async (t) => {
  const text = printResult('0.4.0', both);
  t.same(JSON.parse(text), {
    cniVersion: '0.4.0',
    interfaces: [{name: 'calip1'}, {name: 'eth0', mac: 'ea:de:72:9f:f4:9e', sandbox: '/run/netns/p1'}],
    ips: [
      {version: '4', interface: 1, address: '10.244.0.15/32'},
      {version: '6', interface: 1, address: 'fd00:10:244::40/128'},
    ],
    routes: [{dst: '10.244.0.15/26'}, {dst: 'fd00:10:244::40/122'}],
    dns: {},
  });
  t.match(text, /"name": "eth0",\n {12}"mac"/, 'the old order of keys');
  t.same(JSON.parse(printResult('0.3.1', {interfaces: [], ips: [], routes: []})), {cniVersion: '0.3.1', dns: {}});
});

void t.test('0.1.0 and 0.2.0', async (t) => {
  t.same(JSON.parse(printResult('0.2.0', both)), {
    cniVersion: '0.2.0',
    ip4: {ip: '10.244.0.15/32', routes: [{dst: '10.244.0.15/26'}]},
    ip6: {ip: 'fd00:10:244::40/128', routes: [{dst: 'fd00:10:244::40/122'}]},
    dns: {},
  });
  t.same(JSON.parse(printResult('0.1.0', ipam)), {
    cniVersion: '0.1.0',
    ip4: {ip: '10.244.0.16/26', routes: [{dst: '10.244.0.16/26', gw: '10.0.0.1'}]},
    dns: {},
  });
});

void t.test('what another IPAM plugin printed, in every version', async (t) => {
  for (const version of ['0.2.0', '0.3.1', '1.0.0'] as const) {
    const {ips, routes} = readIpamResult(parseJsonObject(printResult(version, ipam)));
    t.same(ips, [{address: '10.244.0.16/26'}], version);
    t.same(routes, [{dst: '10.244.0.16/26', gw: '10.0.0.1'}], version);
  }
  t.same(readIpamResult(parseJsonObject('{"ips": [5, {"address": 1}], "routes": "x", "ip4": []}')), {
    ips: [],
    routes: [],
  });
});
