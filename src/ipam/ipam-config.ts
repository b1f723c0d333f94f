/** The IPAM configuration: what `calicoctl ipam configure` reads and writes. */
import type {CallOptions, Store} from '../datastore/store.ts';
import {AgentError} from '../lib/errors.ts';
import {DEFAULT_IPAM_CONFIG, decodeIpamConfig, encodeIpamConfig, type IpamConfig} from '../model/ipam-records.ts';
import {IPAM_CONFIG_KEY} from '../model/keys.ts';

/** The configuration; what holds by default when none is stored. */
export async function readIpamConfig(store: Store, call: CallOptions = {}): Promise<IpamConfig> {
  const entry = await store.get(IPAM_CONFIG_KEY, call);
  return entry === undefined ? DEFAULT_IPAM_CONFIG : decodeIpamConfig(entry.value);
}

/** Stores the configuration; nothing is written when it is the same. Throws E_BAD_CONFIG for what makes no sense. */
export async function writeIpamConfig(store: Store, config: IpamConfig, call: CallOptions = {}): Promise<void> {
  if (!config.strictAffinity && !config.autoAllocateBlocks)
    throw new AgentError('E_BAD_CONFIG', 'Cannot disable StrictAffinity and AutoAllocateBlocks at the same time', {
      strictAffinity: config.strictAffinity,
      autoAllocateBlocks: config.autoAllocateBlocks,
    });
  if (config.maxBlocksPerHost > 0 && !config.strictAffinity)
    throw new AgentError('E_BAD_CONFIG', 'MaxBlocksPerHost can only be set with StrictAffinity', {
      maxBlocksPerHost: config.maxBlocksPerHost,
    });
  const value = encodeIpamConfig(config);
  const current = await store.get(IPAM_CONFIG_KEY, call);
  if (current !== undefined && encodeIpamConfig(decodeIpamConfig(current.value)) === value) return;
  await store.commit([{kind: 'put', key: IPAM_CONFIG_KEY, value}], call);
}
