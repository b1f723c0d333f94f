/** `calicoctl ipam show`: how full pools and blocks are, who has an address, what was borrowed, how IPAM is set. */

import {Allocator} from '../../ipam/allocator.ts';
import {readIpamConfig, writeIpamConfig} from '../../ipam/ipam-config.ts';
import {type BlockUtilization, readUtilization} from '../../ipam/utilization.ts';
import {formatCidr, formatIp, parseIp} from '../../lib/cidr.ts';
import type {BlockAttributes} from '../../model/ipam-records.ts';
import {IPAM_CONFIG_KEY} from '../../model/keys.ts';
import {
  type Arguments,
  CONFIG_FLAG,
  type CommandDeclaration,
  parseArguments,
  usageFailure,
  VERSION_FLAG,
} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {formatGoGeneral, roundHalfEven} from '../output/go-number.ts';
import {formatGrid} from '../output/grid.ts';
import {heldAddresses} from '../rules/held-addresses.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';
import {borrowedAddresses} from './borrowed-addresses.ts';

const DECLARATION: CommandDeclaration = {
  name: 'ipam show',
  help: 'Shows how many addresses are in use, and who has one.',
  flags: [
    {long: 'ip', value: 'IP', help: 'who has this address'},
    {long: 'show-blocks', help: 'the blocks of each pool too'},
    {long: 'show-borrowed', help: 'addresses that a node has from the block of another'},
    {long: 'show-configuration', help: 'the settings of IPAM'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};
const ALTERNATIVES = ['ip', 'show-blocks', 'show-borrowed', 'show-configuration'];

export async function runIpamShow(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  if (ALTERNATIVES.filter((name) => args.has(name)).length > 1) throw usageFailure('ipam show');
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    io.out(await view(session, args));
    return 0;
  });
}

function view(session: Session, args: Arguments): Promise<string> {
  const ip = args.value('ip');
  if (ip !== undefined) return addressView(session, ip);
  if (args.has('show-borrowed')) return borrowedView(session);
  if (args.has('show-configuration')) return configurationView(session);
  return utilizationView(session, args.has('show-blocks'));
}

async function utilizationView({store, call, io}: Session, withBlocks: boolean): Promise<string> {
  const {pools, orphans} = await readUtilization({store, log: io.log}, call);
  const rows = pools.flatMap(({pool, capacity, inUse, free, blocks}) => [
    row('IP Pool', formatCidr(pool.cidr), capacity, inUse, free),
    ...(withBlocks ? blocks.map(blockRow) : []),
  ]);
  if (withBlocks) rows.push(...orphans.map(blockRow));
  return formatGrid(['GROUPING', 'CIDR', 'IPS TOTAL', 'IPS IN USE', 'IPS FREE'], rows);
}

const blockRow = ({block, capacity, inUse, free}: BlockUtilization): readonly string[] =>
  row('Block', block.cidr, capacity, inUse, free);

function row(grouping: string, cidr: string, capacity: number, inUse: number, free: number): readonly string[] {
  const share = (count: number): string => `${formatGoGeneral(count, 5)} (${roundHalfEven((100 * count) / capacity)}%)`;
  return [grouping, cidr, formatGoGeneral(capacity, 5), share(inUse), share(free)];
}

async function addressView(session: Session, text: string): Promise<string> {
  const {store, call, io} = session;
  const address = parseIp(text);
  if (address === undefined)
    throw new Failure(`Error executing command: invalid IP address specified: ${text}`, {stream: 'out'});
  const ip = formatIp(address);
  if ((await heldAddresses(session, [ip])).length === 0) return `${ip} is not assigned\n`;
  const occupancy = await new Allocator({store, clock: io.clock, log: io.log}).assignmentOf(ip, call);
  switch (occupancy.kind) {
    case 'free':
      return `${ip} is not assigned\n`;
    case 'cooling':
      return `${ip} is not assigned (it rests since it was released at ${escapeForTerminal(occupancy.releasedAt)})\n`;
    case 'owned': {
      const {handleId, secondary} = occupancy.attribute;
      const handle = handleId === undefined ? '' : `Handle ID: ${escapeForTerminal(handleId)}\n`;
      return `IP ${ip} is in use\n${handle}${attributeLines(secondary)}`;
    }
  }
}

function attributeLines(attributes: BlockAttributes): string {
  if (attributes.size === 0) return 'No attributes defined\n';
  const lines = [...attributes].map(([name, value]) => `  ${escapeForTerminal(`${name}: ${value}`)}\n`).sort();
  return `Active Owner Attributes:\n${lines.join('')}`;
}

async function borrowedView(session: Session): Promise<string> {
  const rows = await borrowedAddresses(session);
  return formatGrid(['IP', 'BORROWING-NODE', 'BLOCK', 'BLOCK OWNER', 'TYPE', 'ALLOCATED-TO'], rows);
}

async function configurationView({store, call}: Session): Promise<string> {
  const config = await readIpamConfig(store, call);
  // Reading makes it, as in Calico.
  if ((await store.get(IPAM_CONFIG_KEY, call)) === undefined) await writeIpamConfig(store, config, call);
  return formatGrid(
    ['PROPERTY', 'VALUE'],
    [
      ['StrictAffinity', String(config.strictAffinity)],
      ['AutoAllocateBlocks', String(config.autoAllocateBlocks)],
      ['MaxBlocksPerHost', String(config.maxBlocksPerHost)],
      ['KubeVirtVMAddressPersistence', config.kubeVirtVMAddressPersistence ?? 'Enabled'],
    ],
  );
}
