/**
 * `calicoctl node diags`: what somebody needs who helps with this node, in one archive. It only reads: no program is told
 * anything, no container is started. Passwords, keys and tokens are left out.
 */
import {join, resolve} from 'node:path';
import {readSetting} from '../../datastore/open-store.ts';
import {AgentError} from '../../lib/errors.ts';
import {type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {loadSettings} from '../configuration.ts';
import {Bundle, isFolder, type Probe, timeStamp} from '../diags/bundle.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {requireRoot} from '../rules/root.ts';

const DECLARATION: CommandDeclaration = {
  name: 'node diags',
  help: 'Packs what tells about the network of this machine into one file. Passwords and keys are left out.',
  flags: [{long: 'log-dir', value: 'LOG_DIR', help: 'folder with logs; by default /var/log/calico'}, VERSION_FLAG],
  takesOperands: false,
};

const WHOLE_MS = 120_000;

/** As Calico's, with what routing, tunnels and nodes of this agent need beside them. */
const PROBES: readonly Probe[] = [
  {program: 'date', args: [], file: 'date'},
  {program: 'hostname', args: [], file: 'hostname'},
  {program: 'uname', args: ['-a'], file: 'uname'},
  {title: 'Dumping routes (IPv4)', program: 'ip', args: ['-4', 'route'], file: 'ipv4_route'},
  {title: 'Dumping routes (IPv6)', program: 'ip', args: ['-6', 'route'], file: 'ipv6_route'},
  {program: 'ip', args: ['-4', 'route', 'show', 'table', 'all'], file: 'ipv4_route_all'},
  {program: 'ip', args: ['-6', 'route', 'show', 'table', 'all'], file: 'ipv6_route_all'},
  {program: 'ip', args: ['-4', 'rule'], file: 'ipv4_rule'},
  {program: 'ip', args: ['-6', 'rule'], file: 'ipv6_rule'},
  {title: 'Dumping interface info (IPv4)', program: 'ip', args: ['-4', 'addr'], file: 'ipv4_addr'},
  {title: 'Dumping interface info (IPv6)', program: 'ip', args: ['-6', 'addr'], file: 'ipv6_addr'},
  {program: 'ip', args: ['-d', '-s', 'link'], file: 'links'},
  {program: 'ip', args: ['neigh'], file: 'neighbours'},
  {program: 'bridge', args: ['fdb', 'show'], file: 'fdb'},
  {title: 'Dumping nftables', program: 'nft', args: ['-n', '-a', 'list', 'ruleset'], file: 'nft_ruleset'},
  {title: 'Dumping iptables (IPv4)', program: 'iptables-save', args: ['-c'], file: 'ipv4_tables'},
  {title: 'Dumping iptables (IPv6)', program: 'ip6tables-save', args: ['-c'], file: 'ipv6_tables'},
  {title: 'Dumping ipsets', program: 'ipset', args: ['list'], file: 'ipsets'},
  {program: 'sysctl', args: ['net.ipv4', 'net.ipv6', 'net.netfilter'], file: 'sysctl'},
  {
    title: 'Copying journal for calico-node.service',
    program: 'journalctl',
    args: ['-u', 'calico-node.service', '--no-pager', '-n', '50000'],
    file: 'journalctl_calico_node',
  },
];
const NETSTAT: Probe = {title: 'Dumping netstat', program: 'netstat', args: ['-a', '-n'], file: 'netstat'};
const SOCKETS: Probe = {title: 'Dumping ss', program: 'ss', args: ['-a', '-n'], file: 'ss'};

/** Below the root of the machine. */
const FILES = ['var/lib/calico/nodename', 'var/lib/calico/mtu', 'etc/os-release'];
const FOLDERS: readonly (readonly [source: string, target: string])[] = [
  ['etc/cni/net.d', 'cni'],
  ['etc/calico/confd/config', 'bird'],
];

export async function runNodeDiags(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  requireRoot(io);
  io.out('Collecting diagnostics\n');
  const options = {name: 'diagnostics', secrets: await knownSecrets(io), timeoutMs: WHOLE_MS};
  const bundle = await Bundle.create(io, options);
  io.out(`Using temp dir: ${bundle.folder}\n`);
  for (const probe of PROBES) await bundle.run(probe);
  await bundle.run((await io.findProgram('netstat')) === undefined ? SOCKETS : NETSTAT);
  for (const file of FILES) await bundle.addFile(join(io.root, file), file.replaceAll('/', '_'));
  for (const [source, target] of FOLDERS)
    if (await isFolder(join(io.root, source))) await bundle.addFolder(join(io.root, source), target);
  const logs = args.value('log-dir') ?? join(io.root, 'var/log/calico');
  if (await isFolder(resolve(io.folder, logs))) {
    io.out('Copying Calico logs\n');
    await bundle.addFolder(resolve(io.folder, logs), 'logs');
  } else io.out(`No logs found in ${logs}; skipping log copying\n`);
  await collectContainerLogs(io, bundle);
  const path = await bundle.pack(bundle.folder, `diags-${timeStamp(io.clock.wallMs())}.tar.gz`);
  io.out(`\nDiags saved to ${path}\n`);
  io.out('If required, you can upload the diagnostics bundle to a file sharing service.\n');
  return 0;
}

/** Those of the datastore's settings; a file of settings that is wrong is no reason to collect nothing. */
async function knownSecrets(io: Io): Promise<readonly string[]> {
  try {
    const {variables} = await loadSettings(io, undefined);
    return ['ETCD_PASSWORD', 'K8S_API_TOKEN'].flatMap((name) => readSetting(variables, name) ?? []);
  } catch (error) {
    if (error instanceof Failure || error instanceof AgentError) return [];
    throw error;
  }
}

/** Of each engine: how its containers of Calico are listed, and how the names are found in that. */
const ENGINES: readonly {readonly name: string; readonly list: readonly string[]}[] = [
  {name: 'docker', list: ['ps', '-a', '--filter', 'name=calico', '--format', '{{.Names}}: {{.CreatedAt}}']},
  {name: 'nerdctl', list: ['ps', '-a', '--filter', 'name=calico', '--format', '{{.Names}}: {{.CreatedAt}}']},
  {name: 'crictl', list: ['ps', '-a', '--name', 'calico', '-q']},
];

async function collectContainerLogs(io: Io, bundle: Bundle): Promise<void> {
  for (const {name, list} of ENGINES) {
    if ((await io.findProgram(name)) === undefined) continue;
    io.out(`Copying logs from Calico containers (${name})\n`);
    const listing = await bundle.run({program: name, args: list, file: 'logs/container_creation_time'});
    const containers = (listing ?? '').split('\n').map((line) => line.split(':', 1)[0]?.trim() ?? '');
    for (const container of containers)
      if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(container) && !container.includes('k8s_POD'))
        await bundle.run({
          program: name,
          args: ['logs', '--tail', '50000', container],
          file: `logs/${container}.log`,
        });
    return;
  }
  io.out(
    `Could not collect container logs: no container runtime found (tried ${ENGINES.map(({name}) => name).join(', ')})\n`,
  );
}
