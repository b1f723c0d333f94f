/** `calicoctl ipam configure`: changes the settings of IPAM that are given, and leaves the others. */
import {readIpamConfig, writeIpamConfig} from '../../ipam/ipam-config.ts';
import type {IpamConfig} from '../../model/ipam-records.ts';
import {type Arguments, CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {checkClusterVersion, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'ipam configure',
  help: 'Changes settings of IPAM.',
  flags: [
    {long: 'strictaffinity', value: 'true/false', help: 'nodes take no address from the block of another'},
    {long: 'max-blocks-per-host', value: 'number', help: 'blocks of one node at most, with strict affinity; 0: 20'},
    {long: 'kubevirt-ip-persistence', value: 'Enabled|Disabled', help: 'virtual machines keep their addresses'},
    {long: 'ip-cooldown-seconds', value: 'number', help: 'an address that was released is not given again for so long'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

type Changes = Partial<
  Pick<IpamConfig, 'strictAffinity' | 'maxBlocksPerHost' | 'kubeVirtVMAddressPersistence' | 'ipCooldownSeconds'>
>;

const TITLES: Readonly<Record<keyof Changes, string>> = {
  strictAffinity: 'StrictAffinity',
  maxBlocksPerHost: 'MaxBlocksPerHost',
  kubeVirtVMAddressPersistence: 'KubeVirtVMAddressPersistence',
  ipCooldownSeconds: 'IPCooldownSeconds',
};

export async function runIpamConfigure(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  return withSession(io, args.value('config'), async (session) => {
    const {store, call} = session;
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    const changes = changesOf(args);
    const current = await readIpamConfig(store, call);
    // Reading makes it, as in Calico, also when the change is refused then.
    await writeIpamConfig(store, current, call);
    const config = {...current, ...changes};
    if (config.maxBlocksPerHost > 0 && !config.strictAffinity)
      throw new Failure('error: MaxBlocksPerHost requires StrictAffinity to be enabled');
    await writeIpamConfig(store, config, call);
    for (const [name, value] of Object.entries(changes))
      io.out(`Successfully set ${TITLES[name as keyof Changes]} to: ${value}\n`);
    return 0;
  });
}

function changesOf(args: Arguments): Changes {
  // An empty value is none.
  const givenValue = (name: string): string | undefined => args.value(name) || undefined;
  const strictAffinity = givenValue('strictaffinity');
  const maxBlocks = givenValue('max-blocks-per-host');
  const persistence = givenValue('kubevirt-ip-persistence');
  const cooldown = givenValue('ip-cooldown-seconds');
  if ([strictAffinity, maxBlocks, persistence, cooldown].every((value) => value === undefined))
    throw new Failure('at least one configuration option must be specified');
  return {
    ...(strictAffinity === undefined ? {} : {strictAffinity: parseBoolean(strictAffinity)}),
    ...(maxBlocks === undefined ? {} : {maxBlocksPerHost: parseNumber(maxBlocks)}),
    ...(persistence === undefined ? {} : {kubeVirtVMAddressPersistence: parsePersistence(persistence)}),
    ...(cooldown === undefined ? {} : {ipCooldownSeconds: parseSeconds(cooldown)}),
  };
}

/** What Go takes for a boolean. */
function parseBoolean(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Failure('invalid value. Use true or false to set strictaffinity');
}

function parseNumber(text: string): number {
  if (/^[+-]?[0-9]+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new Failure('invalid value for maxblockhost. Use a valid number');
}

function parsePersistence(text: string): 'Enabled' | 'Disabled' {
  if (text === 'Enabled' || text === 'Disabled') return text;
  throw new Failure('invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled');
}

function parseSeconds(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new Failure('invalid value for --ip-cooldown-seconds. Use a number of seconds');
}
