/**
 * A rule of a policy or profile: what a packet must match and what happens to it then. Fields are in Calico's order;
 * which combinations make sense is in policy-rule-checks.ts.
 */
import {z} from 'zod';
import {parseCidr} from '../lib/cidr.ts';
import {integer, isMasked, nameReference, selector, textThat} from './fields.ts';
import type {FieldsOf} from './kind.ts';
import {protocol, rulePort} from './protocol.ts';
import {stringMap} from './resource.ts';
import {storedWhenEmpty, titled} from './schema.ts';

/** Elsewhere an address stands for a network of one; here Calico refuses it. */
const ruleNetwork = () =>
  textThat(
    (text) => text.includes('/') && parseCidr(text) !== undefined && isMasked(text),
    'must be a strictly masked CIDR, for example 10.0.0.0/8 or 10.1.2.3/32',
  );

/** One side of a packet. */
const entityRule = () =>
  titled(
    'EntityRule',
    z.object({
      nets: z.array(ruleNetwork()).default([]),
      selector: selector().optional(),
      /** `global()` alone, or a selector. */
      namespaceSelector: selector().optional(),
      services: z.object({name: nameReference(), namespace: nameReference().optional()}).optional(),
      ports: z.array(rulePort()).default([]),
      notNets: z.array(ruleNetwork()).default([]),
      notSelector: selector().optional(),
      notPorts: z.array(rulePort()).default([]),
      serviceAccounts: z.object({names: z.array(z.string()).default([]), selector: selector().optional()}).optional(),
    }),
  );

const icmp = () => z.object({type: integer(0, 254).optional(), code: integer(0, 255).optional()});

const MOST_HTTP_MATCHES = 20;
const httpPath = () => z.string().max(1024, 'must have at most 1024 characters').optional();
const http = () =>
  z.object({
    methods: z.array(z.string()).max(MOST_HTTP_MATCHES, `must have at most ${MOST_HTTP_MATCHES} entries`).default([]),
    paths: z
      .array(z.object({exact: httpPath(), prefix: httpPath()}))
      .max(MOST_HTTP_MATCHES, `must have at most ${MOST_HTTP_MATCHES} entries`)
      .default([]),
  });

export const policyRule = () =>
  titled(
    'Rule',
    z.object({
      /** Pass goes on with the next tier. */
      action: z.enum(['Allow', 'Deny', 'Log', 'Pass']),
      ipVersion: z
        .int()
        .refine((version) => version === 4 || version === 6, 'must be 4 or 6')
        .describe('must be 4 or 6')
        .optional(),
      protocol: protocol().optional(),
      icmp: icmp().optional(),
      notProtocol: protocol().optional(),
      notICMP: icmp().optional(),
      source: storedWhenEmpty(entityRule().prefault({})),
      destination: storedWhenEmpty(entityRule().prefault({})),
      http: http().optional(),
      metadata: z.object({annotations: stringMap().default({})}).optional(),
    }),
  );

export type PolicyRule = FieldsOf<typeof policyRule>;
export type EntityRule = PolicyRule['source'];
