/**
 * KubeControllersConfiguration: which controllers run, and how. A controller whose section is absent does not run.
 */
import {z} from 'zod';
import {cidrOrIp, duration, integer, nameReference, selector} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {labelViolations} from '../label-checks.ts';
import {onlyName} from '../name-rules.ts';
import {regularExpression} from '../regular-expression.ts';
import {stringMap} from '../resource.ts';
import {kept, narrow} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const switchable = () => z.enum(['Enabled', 'Disabled']);
const reconciler = () => z.object({reconcilerPeriod: duration().optional()}).optional();

/** A host endpoint for the matching addresses or interfaces of each selected node. */
const template = () =>
  z.object({
    generateName: nameReference(),
    interfaceCIDRs: z.array(cidrOrIp()).default([]),
    interfacePattern: regularExpression().optional(),
    labels: stringMap().default({}),
    /** All nodes unless set. */
    nodeSelector: selector().optional(),
  });

const nodeController = () =>
  z.object({
    reconcilerPeriod: duration().optional(),
    syncLabels: switchable().optional(),
    hostEndpoint: z
      .object({
        autoCreate: switchable().optional(),
        createDefaultHostEndpoint: switchable().optional(),
        templates: z.array(template()).default([]),
      })
      .optional(),
    /** 0: addresses are never collected. */
    leakGracePeriod: duration().optional(),
  });

const controllers = () =>
  z.object({
    node: nodeController().optional(),
    policy: reconciler(),
    workloadEndpoint: reconciler(),
    serviceAccount: reconciler(),
    namespace: reconciler(),
    loadBalancer: z
      .object({assignIPs: z.enum(['AllServices', 'RequestedServicesOnly']).default('AllServices')})
      .optional(),
    policyMigration: z.object({enabled: switchable().default('Enabled')}).optional(),
  });

const spec = () =>
  z.object({
    logSeverityScreen: z.enum(['Debug', 'Info', 'Warning', 'Error', 'Fatal']).optional(),
    healthChecks: switchable().default('Enabled'),
    /** 0: the datastore is not compacted by us. */
    etcdV3CompactionPeriod: duration().optional(),
    /** 0: no metrics. */
    prometheusMetricsPort: integer(0, 65535).optional(),
    controllers: kept(controllers().prefault({})),
    debugProfilePort: narrow('int32', integer(0, 65535)).optional(),
  });

/** Written by the controllers. */
const status = () => z.object({runningConfig: spec().optional(), environmentVars: stringMap().default({})});

export type KubeControllersConfigurationSpec = FieldsOf<typeof spec>;
export type KubeControllersConfiguration = ResourceOf<typeof spec, typeof status>;
type NodeController = NonNullable<KubeControllersConfigurationSpec['controllers']['node']>;

export const KubeControllersConfiguration = defineKind({
  kind: 'KubeControllersConfiguration',
  plural: 'kubecontrollersconfigurations',
  aliases: ['kubecontrollersconfig', 'kubecontrollersconfigs'],
  name: onlyName('default'),
  spec,
  status,
  statusAlways: true,
  beforeWrite: (configuration) => ({...configuration, spec: withClientDefaults(configuration.spec)}),
  rules: ({spec: {controllers: sections}}) => templateViolations(sections.node),
});

const DEFAULT_METRICS_PORT = 9094;
const DEFAULT_LEAK_GRACE_PERIOD = '15m0s';

function withClientDefaults(settings: KubeControllersConfigurationSpec): KubeControllersConfigurationSpec {
  const {prometheusMetricsPort = DEFAULT_METRICS_PORT, controllers: sections} = settings;
  const {node} = sections;
  if (node === undefined) return {...settings, prometheusMetricsPort};
  const {leakGracePeriod = DEFAULT_LEAK_GRACE_PERIOD} = node;
  return {...settings, prometheusMetricsPort, controllers: {...sections, node: {...node, leakGracePeriod}}};
}

function templateViolations(node: NodeController | undefined): Violation[] {
  const seen = new Set<string>();
  return (node?.hostEndpoint?.templates ?? []).flatMap((entry, i) => {
    const path = `spec.controllers.node.hostEndpoint.templates[${i}]`;
    const violations: Violation[] = [...labelViolations(entry.labels, `${path}.labels`)];
    const {generateName, interfaceCIDRs, interfacePattern} = entry;
    if (seen.has(generateName)) violations.push(violation(`${path}.generateName`, generateName, 'must be unique'));
    seen.add(generateName);
    if (interfaceCIDRs.length === 0 && interfacePattern === undefined)
      violations.push(violation(path, undefined, 'must have interfaceCIDRs or interfacePattern'));
    return violations;
  });
}
