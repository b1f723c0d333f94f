/**
 * `calicoctl ipam split`: replaces a pool by a power of two of smaller ones with the same addresses. Only while the
 * datastore is locked, because for a moment pools overlap. Blocks and addresses stay as they are.
 */
import {formatCidr, requireCidr} from '../../lib/cidr.ts';
import {IPPool} from '../../model/kinds/ip-pool.ts';
import {
  type Arguments,
  CONFIG_FLAG,
  type CommandDeclaration,
  parseArguments,
  usageFailure,
  VERSION_FLAG,
} from '../command-line.ts';
import {errorText, isBug, notThere} from '../error-text.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {requireLock} from '../rules/datastore-lock.ts';
import {splitCidr} from '../rules/split-cidr.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'ipam split',
  help: 'Replaces a pool by smaller ones. The datastore must be locked.',
  flags: [
    {long: 'cidr', value: 'CIDR', help: 'the pool that has this CIDR'},
    {long: 'name', value: 'POOL_NAME', help: 'the pool of this name'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: true,
};

export async function runIpamSplit(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const [countText, ...more] = args.operands;
  if (countText === undefined || more.length > 0) throw usageFailure('ipam split');
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    if (!args.value('name') && !args.value('cidr'))
      throw new Failure('no name or CIDR provided. Provide a name or CIDR to denote the IP pool to split');
    await requireLock(session, 'split the IP pools');
    const pool = await findPool(session, args);
    if (/^[+-]?0+$/.test(countText)) throw new Failure('a pool cannot be split into 0: delete it instead');
    io.out(await splitPool(session, pool, countText));
    return 0;
  });
}

/** A name goes before a CIDR, which is that of a pool letter by letter. */
async function findPool({resources, call}: Session, args: Arguments): Promise<IPPool> {
  const name = args.value('name') ?? '';
  if (name !== '') {
    const pool = name.includes('/') ? undefined : await resources.get(IPPool, {name}, call);
    if (pool !== undefined) return pool;
    throw new Failure(`unable to find IP pool with name ${name}: ${notThere(IPPool, {name})}`);
  }
  const cidr = args.value('cidr') ?? '';
  const {resources: pools} = await resources.list(IPPool, {}, call);
  const pool = pools.find(({spec}) => spec.cidr === cidr);
  if (pool === undefined) throw new Failure(`unable to find IP pool  covering the specified CIDR ${cidr}`);
  return pool;
}

/** The pool is disabled first and goes last, as in Calico: what stops half-way leaves it disabled. */
async function splitPool(session: Session, pool: IPPool, countText: string): Promise<string> {
  const {resources, call} = session;
  const {name} = pool.metadata;
  const disabled = {...pool, spec: {...pool.spec, disabled: true}};
  await resources.modify(IPPool, {name}, (current) => current && disabled, call);
  const parts = splitCidr(requireCidr(pool.spec.cidr), countOf(countText));
  const created: string[] = [];
  for (const [i, part] of parts.entries()) {
    const partName = `split-${name}-${i}`;
    await createPart(session, pool, partName, formatCidr(part));
    created.push(`Created ${partName} with CIDR ${formatCidr(part)}.\n`);
  }
  await resources.delete(IPPool, {name}, {}, call);
  return `IP Pool ${name} was successfully split into ${parts.length} smaller pools.${created.join('')}Please refer to the documentation for final steps.`;
}

function countOf(text: string): number {
  if (/^[+-]?[0-9]{1,9}$/.test(text)) return Number(text);
  throw new Failure(
    `error reading number to split IP pools into. ${text} is not a valid number: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

/** Without the check for other pools: it overlaps the one it comes from. */
async function createPart({resources, call}: Session, {spec}: IPPool, name: string, cidr: string): Promise<void> {
  try {
    await resources.create(IPPool, IPPool.create({metadata: {name}, spec: {...spec, cidr}}), call);
  } catch (cause) {
    if (isBug(cause)) throw cause;
    const reason = errorText(cause, IPPool, {name});
    throw new Failure(`error using unsafe create to make split pool with cidr ${cidr}: ${reason}`, {cause});
  }
}
