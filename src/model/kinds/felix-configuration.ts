/**
 * FelixConfiguration: the settings of the node agent, for all nodes (`default`), for one (`node.<name>`) or for those a
 * selector matches. The fields are in Calico's order; what each means to Felix is in felix-parameters.ts.
 *
 * Calico's client adds five settings to whatever is written; they are in every stored object.
 */
import {z} from 'zod';
import {parseCidr} from '../../lib/cidr.ts';
import {parseDuration} from '../../lib/duration.ts';
import {
  cidrOrIp,
  dscp,
  duration,
  integer,
  interfaceName,
  ipv4Address,
  ipv6Address,
  isInterfaceName,
  portRange,
  portRangeOrName,
  selector,
  textThat,
  usualDuration,
} from '../fields.ts';
import {defineKind, type FieldsOf, type ResourceOf} from '../kind.ts';
import {labelName} from '../name-rules.ts';
import {regularExpression} from '../regular-expression.ts';
import {stringMap} from '../resource.ts';
import {kept, narrow} from '../schema.ts';
import {type Violation, violation} from '../violation.ts';

const choice = <const V extends readonly [string, ...string[]]>(...values: V) => z.enum(values).optional();
/** The same where text without characters is not nothing, but a wrong choice: a pointer in Go. */
const pointerChoice = <const V extends readonly [string, ...string[]]>(...values: V) => kept(choice(...values));

/** The words, in any case. */
const anyCase = (...words: readonly string[]) =>
  textThat(
    (text) => words.some((word) => word.toLowerCase() === text.toLowerCase()),
    `must be one of ${words.join(', ')}`,
  ).optional();

const anyDuration = () => duration().optional();

/** Calico's schema refuses fractions (also 1500ms, which is 1.5s), negative values and units below milliseconds. */
const plainDuration = () =>
  narrow(
    'Duration',
    z
      .string()
      .overwrite(usualDuration)
      .refine(
        (text) => /^(?:[0-9]+(?:ms|s|m|h))*$/.test(text),
        'must be a duration without fractions, such as 90s or 250ms',
      ),
  ).optional();

const interfaceFilter = () =>
  textThat(
    (text) => /^[a-zA-Z0-9:._+-]{1,15}$/.test(text),
    "must be 1 to 15 letters, digits or any of ':', '.', '_', '+', '-'",
  );

const ipv4Network = () => textThat((text) => parseCidr(text)?.ip.family === 4, 'must be an IPv4 address or CIDR');

const openstackRegion = () =>
  textThat(
    (text) => text.length <= 46 && labelName(text) === undefined,
    'must be a DNS label of at most 46 characters',
  );

const isKeyValueList = (text: string, value: RegExp): boolean =>
  text.split(',').every((entry, i, all) => {
    const equals = entry.indexOf('=');
    if (entry === '') return i === all.length - 1;
    return equals > 0 && /^\w+$/.test(entry.slice(0, equals)) && value.test(entry.slice(equals + 1));
  });

const featureOverrides = () =>
  textThat((text) => isKeyValueList(text, /^(?:true|false)$/), 'must be a list of feature=true or feature=false');
const featureGates = () => textThat((text) => isKeyValueList(text, /^[^=]+$/), 'must be a list of gate=value');

/** Values are checked by Felix, not when they are written: so it is in Calico. */
const failsafePort = () =>
  z.object({
    protocol: z.string().optional(),
    port: kept(narrow('uint16', integer(0, 65535)).default(0)),
    net: z.string().optional(),
  });

const healthTimeoutOverride = () =>
  z.object({
    name: textThat((text) => /^[a-zA-Z0-9_ -]+$/.test(text), "must consist of letters, digits, '_', '-' and spaces"),
    timeout: kept(
      duration()
        .refine((text) => (parseDuration(text) ?? 0) >= 0, 'must not be negative')
        .default('0s'),
    ),
  });

const routeTableRange = () => z.object({min: integer(), max: integer()});
const routeTableIdRange = () => z.object({min: integer(1), max: integer(1, 4294967295)});

/** `Auto`, or a duration in which Calico allows fractions. */
const conntrackTimeout = () =>
  kept(
    textThat(
      (text) => text === 'Auto' || /^(?:[0-9]*(?:\.[0-9]*)?(?:ms|s|h|m|us))+$/.test(text),
      'must be Auto or a duration such as 20s',
    ).optional(),
  );

const conntrackTimeouts = () =>
  z.object({
    creationGracePeriod: conntrackTimeout(),
    tcpSynSent: conntrackTimeout(),
    tcpEstablished: conntrackTimeout(),
    tcpFinsSeen: conntrackTimeout(),
    tcpResetSeen: conntrackTimeout(),
    udpTimeout: conntrackTimeout(),
    genericTimeout: conntrackTimeout(),
    icmpTimeout: conntrackTimeout(),
  });

const spec = () =>
  z.object({
    nodeSelector: selector(1024).optional(),
    useInternalDataplaneDriver: z.boolean().optional(),
    dataplaneDriver: z.string().optional(),
    dataplaneWatchdogTimeout: anyDuration(),
    ipv6Support: z.boolean().optional(),
    routeRefreshInterval: plainDuration(),
    interfaceRefreshInterval: plainDuration(),
    iptablesRefreshInterval: plainDuration(),
    iptablesPostWriteCheckInterval: plainDuration(),
    iptablesLockProbeInterval: plainDuration(),
    featureDetectOverride: featureOverrides().optional(),
    featureGates: featureGates().optional(),
    ipsetsRefreshInterval: plainDuration(),
    maxIpsetSize: integer().optional(),
    iptablesBackend: choice('Legacy', 'NFT', 'Auto'),
    xdpRefreshInterval: plainDuration(),
    netlinkTimeout: plainDuration(),
    metadataAddr: z.string().optional(),
    metadataPort: integer().optional(),
    openstackRegion: openstackRegion().optional(),
    interfacePrefix: z.string().optional(),
    interfaceExclude: z.string().optional(),
    chainInsertMode: anyCase('Insert', 'Append'),
    defaultEndpointToHostAction: choice('Drop', 'Accept', 'Return'),
    iptablesFilterAllowAction: choice('Accept', 'Return'),
    iptablesMangleAllowAction: choice('Accept', 'Return'),
    iptablesFilterDenyAction: choice('Drop', 'Reject'),
    logPrefix: textThat(
      (text) => /^[a-zA-Z0-9%: /_-]*$/.test(text),
      'must consist of letters, digits, space and any of %:/_-',
    ).optional(),
    logActionRateLimit: kept(
      textThat(
        (text) => /^[1-9][0-9]{0,3}\/(?:second|minute|hour|day)$/.test(text),
        'must be a rate such as 10/minute',
      ).optional(),
    ),
    logActionRateLimitBurst: integer(0, 9999).optional(),
    logFilePath: z.string().optional(),
    logSeverityFile: choice('Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'),
    logSeverityScreen: choice('Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'),
    logSeveritySys: choice('Trace', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'),
    logDebugFilenameRegex: regularExpression().optional(),
    ipipEnabled: z.boolean().optional(),
    ipipMTU: integer().optional(),
    vxlanEnabled: z.boolean().optional(),
    vxlanMTU: integer().optional(),
    vxlanMTUV6: integer().optional(),
    vxlanPort: integer().optional(),
    vxlanVNI: integer().optional(),
    allowVXLANPacketsFromWorkloads: z.boolean().optional(),
    allowIPIPPacketsFromWorkloads: z.boolean().optional(),
    reportingInterval: plainDuration(),
    reportingTTL: plainDuration(),
    endpointReportingEnabled: z.boolean().optional(),
    endpointReportingDelay: plainDuration(),
    endpointStatusPathPrefix: z.string().optional(),
    iptablesMarkMask: narrow('uint32', integer(0, 4294967295)).optional(),
    disableConntrackInvalidCheck: z.boolean().optional(),
    healthEnabled: z.boolean().optional(),
    healthHost: kept(z.string().optional()),
    healthPort: integer().optional(),
    healthTimeoutOverrides: z.array(healthTimeoutOverride()).optional(),
    prometheusMetricsEnabled: z.boolean().optional(),
    prometheusMetricsHost: textThat(
      (text) => /^[a-zA-Z0-9:._+-]{1,64}$/.test(text),
      'must be a host name or an address',
    ).optional(),
    prometheusMetricsPort: integer().optional(),
    prometheusGoMetricsEnabled: z.boolean().optional(),
    prometheusProcessMetricsEnabled: z.boolean().optional(),
    prometheusWireGuardMetricsEnabled: z.boolean().optional(),
    prometheusMetricsCAFile: kept(z.string().optional()),
    prometheusMetricsCertFile: kept(z.string().optional()),
    prometheusMetricsKeyFile: kept(z.string().optional()),
    prometheusMetricsClientAuth: pointerChoice(
      'RequireAndVerifyClientCert',
      'RequireAnyClientCert',
      'VerifyClientCertIfGiven',
      'NoClientCert',
    ),
    failsafeInboundHostPorts: kept(z.array(failsafePort()).optional()),
    failsafeOutboundHostPorts: kept(z.array(failsafePort()).optional()),
    kubeNodePortRanges: kept(z.array(portRange()).max(7, 'must have at most 7 entries').optional()),
    policySyncPathPrefix: z.string().optional(),
    usageReportingEnabled: z.boolean().optional(),
    usageReportingInitialDelay: plainDuration(),
    usageReportingInterval: plainDuration(),
    natPortRange: portRangeOrName().optional(),
    natOutgoingAddress: ipv4Address().optional(),
    natOutgoingExclusions: pointerChoice('IPPoolsOnly', 'IPPoolsAndHostIPs'),
    deviceRouteSourceAddress: ipv4Address().optional(),
    deviceRouteSourceAddressIPv6: ipv6Address().optional(),
    deviceRouteProtocol: integer().optional(),
    removeExternalRoutes: z.boolean().optional(),
    programClusterRoutes: pointerChoice('Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'),
    ipForwarding: choice('Enabled', 'Disabled'),
    externalNodesList: kept(z.array(ipv4Network()).optional()),
    debugMemoryProfilePath: z.string().optional(),
    debugDisableLogDropping: z.boolean().optional(),
    debugSimulateCalcGraphHangAfter: plainDuration(),
    debugSimulateDataplaneHangAfter: plainDuration(),
    debugSimulateDataplaneApplyDelay: plainDuration(),
    debugHost: kept(z.string().optional()),
    debugPort: integer(0, 65535).optional(),
    iptablesNATOutgoingInterfaceFilter: interfaceFilter().optional(),
    sidecarAccelerationEnabled: z.boolean().optional(),
    xdpEnabled: z.boolean().optional(),
    genericXDPEnabled: z.boolean().optional(),
    nftablesMode: pointerChoice('Disabled', 'Enabled', 'Auto'),
    nftablesFlowTableOffload: choice('All', 'Disabled'),
    nftablesFlowTableDataIfacePattern: regularExpression().optional(),
    nftablesRefreshInterval: anyDuration(),
    nftablesFilterAllowAction: choice('Accept', 'Return'),
    nftablesMangleAllowAction: choice('Accept', 'Return'),
    nftablesFilterDenyAction: choice('Drop', 'Reject'),
    nftablesMarkMask: narrow('uint32', integer(0, 4294967295)).optional(),
    bpfEnabled: z.boolean().optional(),
    bpfOverlayHostSourceIP: choice('TunnelAddress', 'HostAddress'),
    bpfDisableUnprivileged: z.boolean().optional(),
    bpfJITHardening: pointerChoice('Auto', 'Strict'),
    bpfLogLevel: kept(z.enum(['', 'Off', 'Info', 'Debug']).default('')),
    bpfConntrackLogLevel: choice('Off', 'Debug'),
    bpfConntrackMode: pointerChoice('Auto', 'Userspace', 'BPFProgram'),
    bpfConntrackTimeouts: conntrackTimeouts().optional(),
    bpfIPFragTimeout: plainDuration(),
    bpfLogFilters: kept(stringMap().optional()),
    bpfCTLBLogFilter: z.string().optional(),
    bpfDataIfacePattern: regularExpression().optional(),
    bpfL3IfacePattern: regularExpression().optional(),
    bpfConnectTimeLoadBalancingEnabled: z.boolean().optional(),
    bpfConnectTimeLoadBalancing: pointerChoice('TCP', 'Enabled', 'Disabled'),
    bpfHostNetworkedNATWithoutCTLB: pointerChoice('Enabled', 'Disabled'),
    bpfExternalServiceMode: choice('Tunnel', 'DSR'),
    bpfDSROptoutCIDRs: kept(z.array(cidrOrIp()).optional()),
    bpfExtToServiceConnmark: integer(0, 4294967295).optional(),
    bpfKubeProxyIptablesCleanupEnabled: z.boolean().optional(),
    bpfKubeProxyMinSyncPeriod: plainDuration(),
    bpfKubeProxyHealthzPort: integer(0, 65535).optional(),
    bpfPSNATPorts: portRangeOrName().optional(),
    bpfMapSizeNATFrontend: integer().optional(),
    bpfMapSizeNATBackend: integer().optional(),
    bpfMapSizeNATAffinity: integer().optional(),
    bpfMapSizeRoute: integer().optional(),
    bpfMapSizeConntrack: integer().optional(),
    bpfMapSizePerCpuConntrack: integer().optional(),
    bpfMapSizeConntrackScaling: anyCase('Disabled', 'DoubleIfFull'),
    bpfMapSizeConntrackCleanupQueue: integer(1).optional(),
    bpfMapSizeIPSets: integer().optional(),
    bpfMapSizeIfState: integer().optional(),
    bpfHostConntrackBypass: z.boolean().optional(),
    bpfIPFragmentReassemblyEnabled: z.boolean().optional(),
    bpfEnforceRPF: anyCase('Disabled', 'Strict', 'Loose'),
    bpfPolicyDebugEnabled: z.boolean().optional(),
    bpfForceTrackPacketsFromIfaces: kept(z.array(interfaceFilter()).optional()),
    bpfDisableGROForIfaces: regularExpression().optional(),
    bpfExcludeCIDRsFromNAT: kept(z.array(cidrOrIp()).optional()),
    bpfExportBufferSizeMB: integer().optional(),
    istioAmbientMode: pointerChoice('Enabled', 'Disabled'),
    istioDSCPMark: dscp().optional(),
    cgroupV2Path: z.string().optional(),
    flowLogsPolicyEvaluationMode: pointerChoice('None', 'Continuous'),
    bpfRedirectToPeer: choice('Enabled', 'Disabled'),
    bpfAttachType: pointerChoice('TC', 'TCX', 'Netkit'),
    flowLogsFlushInterval: plainDuration(),
    flowLogsCollectorDebugTrace: z.boolean().optional(),
    flowLogsGoldmaneServer: kept(z.string().optional()),
    flowLogsLocalReporter: pointerChoice('Disabled', 'Enabled'),
    bpfProfiling: choice('Enabled', 'Disabled'),
    routeSource: anyCase('WorkloadIPs', 'CalicoIPAM'),
    routeTableRanges: kept(z.array(routeTableIdRange()).optional()),
    routeTableRange: routeTableRange().optional(),
    routeSyncDisabled: z.boolean().optional(),
    ipv4NormalRoutePriority: integer(1, 2147483646).optional(),
    ipv4ElevatedRoutePriority: integer(1, 2147483646).optional(),
    ipv6NormalRoutePriority: integer(1, 2147483646).optional(),
    ipv6ElevatedRoutePriority: integer(1, 2147483646).optional(),
    liveMigrationRouteConvergenceTime: plainDuration(),
    wireguardEnabled: z.boolean().optional(),
    wireguardEnabledV6: z.boolean().optional(),
    wireguardThreadingEnabled: z.boolean().optional(),
    wireguardListeningPort: integer(1, 65535).optional(),
    wireguardListeningPortV6: integer(1, 65535).optional(),
    wireguardRoutingRulePriority: integer(1, 32765).optional(),
    wireguardInterfaceName: interfaceName().optional(),
    wireguardInterfaceNameV6: interfaceName().optional(),
    wireguardMTU: integer().optional(),
    wireguardMTUV6: integer().optional(),
    wireguardHostEncryptionEnabled: z.boolean().optional(),
    wireguardKeepAlive: plainDuration(),
    awsSrcDstCheck: pointerChoice('DoNothing', 'Enable', 'Disable'),
    serviceLoopPrevention: choice('Drop', 'Reject', 'Disabled'),
    workloadSourceSpoofing: choice('Disabled', 'Any'),
    mtuIfacePattern: regularExpression().optional(),
    floatingIPs: pointerChoice('Enabled', 'Disabled'),
    localSubnetL2Reachability: choice('Disabled', 'PodsAndLoadBalancers'),
    localSubnetL2ReachabilityRefreshInterval: anyDuration(),
    windowsManageFirewallRules: pointerChoice('Enabled', 'Disabled'),
    goGCThreshold: integer(-1).optional(),
    goMemoryLimitMB: integer(-1).optional(),
    goMaxProcs: integer(-1).optional(),
    requireMTUFile: z.boolean().optional(),
    bpfMaglevMaxEndpointsPerService: integer(1, 3000).optional(),
    bpfMaglevMaxServices: integer(1, 3000).optional(),
  });

export type FelixConfigurationSpec = FieldsOf<typeof spec>;
export type FelixConfiguration = ResourceOf<typeof spec>;

export const FelixConfiguration = defineKind({
  kind: 'FelixConfiguration',
  plural: 'felixconfigurations',
  aliases: ['felixconfig', 'felixconfigs'],
  spec,
  beforeWrite: (configuration) => ({...configuration, spec: withClientDefaults(configuration.spec)}),
  rules: ({metadata: {name}, spec: settings}) => [
    ...nameViolations(name, settings),
    ...tableViolations(settings),
    ...logFilterViolations(settings),
  ],
});

function withClientDefaults(settings: FelixConfigurationSpec): FelixConfigurationSpec {
  const deprecated = settings.bpfConnectTimeLoadBalancingEnabled;
  return {
    ...settings,
    nftablesMode: settings.nftablesMode ?? 'Auto',
    bpfConnectTimeLoadBalancing:
      deprecated === undefined ? (settings.bpfConnectTimeLoadBalancing ?? 'TCP') : deprecated ? 'Enabled' : 'Disabled',
    bpfHostNetworkedNATWithoutCTLB:
      deprecated === undefined ? (settings.bpfHostNetworkedNATWithoutCTLB ?? 'Enabled') : 'Disabled',
    floatingIPs: settings.floatingIPs ?? 'Disabled',
  };
}

function nameViolations(name: string, {nodeSelector}: FelixConfigurationSpec): Violation[] {
  const isForNodes = name === 'default' || name.startsWith('node.');
  if (!isForNodes || nodeSelector === undefined) return [];
  return [violation('spec.nodeSelector', nodeSelector, 'must not be set on the configuration "default" or "node.*"')];
}

const MOST_ROUTE_TABLES = 0xffff;

function tableViolations({routeTableRange: range, routeTableRanges: ranges}: FelixConfigurationSpec): Violation[] {
  const violations: Violation[] = [];
  if (range !== undefined && ranges !== undefined)
    violations.push(violation('spec.routeTableRange', range, 'must not be set together with routeTableRanges'));
  if (range !== undefined && !(range.min >= 1 && range.min <= range.max && range.max <= 250))
    violations.push(violation('spec.routeTableRange', `${range.min}-${range.max}`, 'must be a range within 1-250'));
  for (const [i, {min, max}] of (ranges ?? []).entries())
    if (min > max) violations.push(violation(`spec.routeTableRanges[${i}].max`, max, `must be at least ${min}`));
  const tables = (ranges ?? []).reduce((sum, {min, max}) => sum + max - min + 1, 0);
  if (tables > MOST_ROUTE_TABLES)
    violations.push(
      violation('spec.routeTableRanges', ranges, `must have at most ${MOST_ROUTE_TABLES} tables together`),
    );
  return violations;
}

function logFilterViolations({bpfLogFilters}: FelixConfigurationSpec): Violation[] {
  return Object.keys(bpfLogFilters ?? {})
    .filter((name) => !isInterfaceName(name))
    .map((name) => violation('spec.bpfLogFilters', name, 'must be the name of an interface, or all'));
}
