/**
 * IPAMConfiguration as a resource. In etcd nothing reads it: IPAM itself uses the record at IPAM_CONFIG_KEY
 * (ipam-records.ts); it counts where the datastore is the Kubernetes API.
 */
import {z} from 'zod';
import {integer} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {onlyName} from '../name-rules.ts';
import {kept} from '../schema.ts';

const spec = () =>
  z.object({
    strictAffinity: kept(z.boolean().default(false)),
    maxBlocksPerHost: integer(0, 1_000_000).default(0),
    autoAllocateBlocks: kept(z.boolean().default(true)),
    kubeVirtVMAddressPersistence: z.enum(['Enabled', 'Disabled']).optional(),
    ipCooldownSeconds: integer(0, 1200).default(0),
  });

export type IPAMConfigurationSpec = FieldsOf<typeof spec>;
export type IPAMConfiguration = ResourceOf<typeof spec>;

export const IPAMConfiguration = defineKind({
  kind: 'IPAMConfiguration',
  plural: 'ipamconfigurations',
  aliases: ['ipamconfig', 'ipamconfigs'],
  name: onlyName('default'),
  spec,
});
