/**
 * BGPConfiguration: how BGP runs, in the whole cluster (`default`) or on one node (`node.<name>`). Other names are
 * stored and mean nothing.
 */
import {z} from 'zod';
import {COMMUNITY_RULE, community, isCommunity, passwordReference, ROUTE_PRIORITIES} from '../bgp-fields.ts';
import {
  asNumber,
  duration,
  integer,
  ipv4Address,
  ipv6Address,
  maskedNetwork,
  nameReference,
  textThat,
} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {kept, narrow} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const serviceBlock = () => z.object({cidr: maskedNetwork().optional()});

const MOST_ENTRIES = 500;
const MOST_COMMUNITIES = 50;
const atMost = <T extends z.ZodArray>(list: T, most: number): T => list.max(most, `must have at most ${most} entries`);

const communities = () => atMost(z.array(z.object({name: nameReference(), value: community()})), MOST_ENTRIES);

const prefixAdvertisements = () =>
  atMost(
    z.array(z.object({cidr: maskedNetwork(), communities: atMost(z.array(z.string()), MOST_COMMUNITIES)})),
    MOST_ENTRIES,
  );

const ignoredInterface = () =>
  textThat(
    (text) => text !== '*' && /^[a-zA-Z0-9_.*-]{1,15}$/.test(text),
    "must be 1 to 15 letters, digits, '_', '.', '-' or '*', and not '*' alone",
  );

const spec = () =>
  z.object({
    logSeverityScreen: z.enum(['Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal']).default('Info'),
    nodeToNodeMeshEnabled: z.boolean().optional(),
    asNumber: asNumber().optional(),
    serviceLoadBalancerIPs: z.array(serviceBlock()).default([]),
    serviceExternalIPs: z.array(serviceBlock()).default([]),
    serviceClusterIPs: z.array(serviceBlock()).default([]),
    serviceLoadBalancerAggregation: kept(z.enum(['Enabled', 'Disabled']).default('Enabled')),
    communities: communities().default([]),
    prefixAdvertisements: prefixAdvertisements().default([]),
    /** 0: 179. */
    listenPort: narrow('uint16', integer(0, 65535)).default(0),
    nodeMeshPassword: passwordReference().optional(),
    nodeMeshMaxRestartTime: duration().optional(),
    bindMode: kept(z.enum(['None', 'NodeIP']).optional()),
    ignoredInterfaces: z.array(ignoredInterface()).default([]),
    localWorkloadPeeringIPV4: ipv4Address().optional(),
    localWorkloadPeeringIPV6: ipv6Address().optional(),
    programClusterRoutes: kept(z.enum(['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly']).optional()),
    ipv4NormalRoutePriority: integer(...ROUTE_PRIORITIES).optional(),
    ipv6NormalRoutePriority: integer(...ROUTE_PRIORITIES).optional(),
  });

export type BGPConfigurationSpec = FieldsOf<typeof spec>;
export type BGPConfiguration = ResourceOf<typeof spec>;

export const BGPConfiguration = defineKind({
  kind: 'BGPConfiguration',
  plural: 'bgpconfigurations',
  aliases: ['bgpconfig', 'bgpconfigs'],
  spec,
  rules: ({metadata: {name}, spec: settings}) => [
    ...clusterWideViolations(name, settings),
    ...meshViolations(settings),
    ...communityViolations(settings),
  ],
});

const CLUSTER_WIDE = [
  'nodeToNodeMeshEnabled',
  'asNumber',
  'serviceClusterIPs',
  'serviceExternalIPs',
  'serviceLoadBalancerIPs',
  'nodeMeshPassword',
  'nodeMeshMaxRestartTime',
] as const;

function clusterWideViolations(name: string, settings: BGPConfigurationSpec): Violation[] {
  if (name === 'default') return [];
  return CLUSTER_WIDE.filter((field) => isSet(settings[field])).map((field) =>
    violation(`spec.${field}`, settings[field], 'must be set on the configuration "default" only'),
  );
}

const isSet = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);

function meshViolations(settings: BGPConfigurationSpec): Violation[] {
  if (settings.nodeToNodeMeshEnabled !== false) return [];
  return (['nodeMeshPassword', 'nodeMeshMaxRestartTime'] as const)
    .filter((field) => settings[field] !== undefined)
    .map((field) => violation(`spec.${field}`, settings[field], 'must not be set without the mesh between nodes'));
}

function communityViolations({
  communities: named,
  prefixAdvertisements: advertised,
}: BGPConfigurationSpec): Violation[] {
  if (named.length > 0 && advertised.length === 0)
    return [violation('spec.communities', named, 'must be used by prefixAdvertisements')];
  const names = new Set(named.map(({name}) => name));
  return advertised.flatMap((advertisement, i) =>
    advertisement.communities.flatMap((text, j) =>
      isCommunity(text) || names.has(text)
        ? []
        : [
            violation(
              `spec.prefixAdvertisements[${i}].communities[${j}]`,
              text,
              `${COMMUNITY_RULE}, or a name of spec.communities`,
            ),
          ],
    ),
  );
}
