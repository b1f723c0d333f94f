/**
 * `calicoctl ipam check`: what contradicts itself in the records of IPAM. Who uses an address is read from Calico's own
 * datastore (workload endpoints and nodes), so no kubeconfig is needed.
 */
import {writeFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {formatCidr} from '../../lib/cidr.ts';
import {sleep} from '../../lib/clock.ts';
import {messageOf} from '../../lib/errors.ts';
import {type Arguments, CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {readIpamState} from '../ipam-state.ts';
import {escapeForTerminal} from '../output/escape.ts';
import type {IpamState} from '../rules/ipam-inspection.ts';
import {
  type Finding,
  type FindingKind,
  type Inspection,
  inspectIpam,
  ownerText,
  persisting,
} from '../rules/ipam-inspection.ts';
import {printReport} from '../rules/ipam-report.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'ipam check',
  help: 'Looks for contradictions in the records of IPAM, and again at those it finds: what passes is work under way.',
  flags: [
    {short: 'o', long: 'output', value: 'FILE', help: 'write a report for `ipam release --from-report`'},
    {long: 'show-all-ips', help: 'all addresses, with their owners'},
    {long: 'show-problem-ips', help: 'every problem, one a line'},
    {long: 'kubeconfig', value: 'KUBECONFIG', help: 'not supported: who uses an address is read from the datastore'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

export async function runIpamCheck(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  if (args.has('kubeconfig'))
    throw new Failure('--kubeconfig is not supported: who uses an address is read from the datastore');
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    io.out('Checking IPAM for inconsistencies...\n\n');
    const {state, inspection} = await inspect(session);
    io.out(summary(state, inspection));
    if (args.has('show-all-ips'))
      for (const address of inspection.allocated) io.out(`  ${address.ip} ${escapeForTerminal(ownerText(address))}\n`);
    for (const [kind, title] of SECTIONS) io.out(section(title, inspection.findings, kind, args));
    io.out(`Check complete; found ${inspection.findings.length} problems.\n`);
    const file = args.value('output');
    if (file !== undefined) await save(io, file, await printReport(session, state, inspection));
    return 0;
  });
}

/** Records are read one after the other while others write: what is not there at every look was work under way. */
const MOST_LOOKS = 4;
const PAUSE_MS = 1000;

async function inspect(session: Session): Promise<{readonly state: IpamState; readonly inspection: Inspection}> {
  const {clock, signal} = session.io;
  let state = await readIpamState(session);
  let inspection = inspectIpam(state);
  for (let look = 1; look < MOST_LOOKS && inspection.findings.length > 0; look++) {
    await sleep(clock, PAUSE_MS, signal);
    state = await readIpamState(session);
    inspection = persisting(inspection, inspectIpam(state));
  }
  return {state, inspection};
}

/** In the order of Calico's. */
const SECTIONS: readonly (readonly [FindingKind, string])[] = [
  ['leaked', 'IPs that are allocated in IPAM but not actually in use'],
  ['not-in-pool', 'IPs that are in use or allocated but in no IP pool'],
  ['not-allocated', 'in-use IPs that are in IP pools but have no corresponding IPAM allocation'],
  ['duplicate', 'IPs that are used or allocated more than once'],
  ['handle-without-addresses', 'handles with no matching IPs'],
  ['missing-handle', 'handles mentioned in blocks with no matching handle resource'],
  ['block-without-claim', 'blocks with no matching affinity'],
  ['claim-without-block', 'affinities with no matching block'],
  ['invalid-block', 'records that contradict themselves or cannot be read'],
];

function summary({blocks, pools, handles, uses}: IpamState, {allocated}: Inspection): string {
  return `Found ${blocks.length} IPAM blocks.
IPAM blocks record ${allocated.length} allocations.
${pools.map((pool) => `  ${formatCidr(pool)}\n`).join('')}Found ${pools.length} IP pools.
Workloads and nodes are using ${new Set(uses.map(({ip}) => ip)).size} IPs.
Found ${handles.size} handles.

`;
}

/** Problems are named unless they are very many; all of them with `--show-problem-ips`. */
function section(title: string, findings: readonly Finding[], kind: FindingKind, args: Arguments): string {
  const found = findings.filter((finding) => finding.kind === kind);
  const shown = args.has('show-problem-ips') ? found : found.slice(0, MOST_SHOWN);
  const lines = shown.map(({subject, detail}) => `  ${escapeForTerminal(`${subject} ${detail}`.trim())}\n`);
  const rest = found.length - shown.length;
  const more = rest > 0 ? `  and ${rest} more: see --show-problem-ips\n` : '';
  return `Found ${found.length} ${title}.\n${lines.join('')}${more}`;
}

const MOST_SHOWN = 20;

async function save({folder}: Io, file: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(folder, file), text, {mode: 0o600});
  } catch (cause) {
    throw new Failure(`cannot write the report ${file}: ${messageOf(cause)}`, {cause});
  }
}
