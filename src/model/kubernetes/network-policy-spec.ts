/**
 * The spec of a Kubernetes NetworkPolicy, as StagedKubernetesNetworkPolicy holds one and conversion reads one. Kubernetes
 * keeps a port's spelling: "80" stays text.
 */
import {z} from 'zod';
import {integer} from '../fields.ts';
import type {FieldsOf} from '../kind.ts';
import {stringMap} from '../resource.ts';
import {kept, narrow, titled} from '../schema.ts';

export const labelSelector = () =>
  titled(
    'LabelSelector',
    z.object({
      matchLabels: stringMap().default({}),
      matchExpressions: z
        .array(
          z.object({
            key: kept(z.string().default('')),
            operator: kept(z.string().default('')),
            values: z.array(z.string()).default([]),
          }),
        )
        .default([]),
    }),
  );

const port = () =>
  titled(
    'KubernetesPort',
    z.object({
      protocol: z.string().optional(),
      port: z.union([z.string(), z.int()]).optional(),
      endPort: narrow('int32', integer()).optional(),
    }),
  );

const peer = () =>
  titled(
    'KubernetesPeer',
    z.object({
      podSelector: labelSelector().optional(),
      namespaceSelector: labelSelector().optional(),
      ipBlock: z.object({cidr: kept(z.string().default('')), except: z.array(z.string()).default([])}).optional(),
    }),
  );

export const kubernetesPolicyFields = () => ({
  podSelector: kept(labelSelector().prefault({})),
  ingress: z.array(z.object({ports: z.array(port()).default([]), from: z.array(peer()).default([])})).default([]),
  egress: z.array(z.object({ports: z.array(port()).default([]), to: z.array(peer()).default([])})).default([]),
  policyTypes: z.array(z.string()).default([]),
});

const kubernetesPolicySpec = () => z.object(kubernetesPolicyFields());

export type LabelSelector = FieldsOf<typeof labelSelector>;
export type KubernetesPolicySpec = FieldsOf<typeof kubernetesPolicySpec>;
export type KubernetesPolicyPort = FieldsOf<typeof port>;
export type KubernetesPolicyPeer = FieldsOf<typeof peer>;
