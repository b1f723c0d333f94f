/**
 * Every parameter of Felix: how its text is read, its default, the field of FelixConfiguration that sets it, and what
 * follows when the text is wrong. The configuration layers (felix/config.ts) decide which source wins; here is what a
 * parameter is.
 *
 * The table is the type: `FelixValues` has one property per parameter, of the type its syntax gives. Names are matched
 * in any case; an empty text means unset; `none` means the zero value of the type.
 */
import {parseCidr} from '../lib/cidr.ts';
import {parseDuration} from '../lib/duration.ts';
import {
  authority,
  bool,
  cidrList,
  dscp,
  endpointList,
  hostAddress,
  hostname,
  int,
  interfaceFilters,
  interfaceList,
  interfaceParam,
  interfacePatterns,
  ipv4,
  ipv6,
  keyDurationList,
  keyValueList,
  logRate,
  markMask,
  milliseconds,
  oneOf,
  optionalBool,
  type Parsed,
  path,
  portList,
  portRange,
  portRangeList,
  region,
  regularExpression,
  routeTableRange,
  routeTableRanges,
  type Syntax,
  seconds,
  text,
} from './felix-syntax.ts';
import {usualDuration} from './fields.ts';
import type {FelixConfigurationSpec} from './kinds/felix-configuration.ts';

export interface FelixParameter<T = unknown> {
  readonly syntax: Syntax<T>;
  /** Text of the default; empty: the zero value of the syntax. */
  readonly fallback: string;
  /** Field of FelixConfiguration.spec; undefined when none sets it. */
  readonly field: keyof FelixConfigurationSpec | undefined;
  /** Ignored when it comes from the datastore. */
  readonly local: boolean;
  /** A wrong text ends the program, from whichever source; others fall back to the default with a warning. */
  readonly dieOnFail: boolean;
  /** `none` is refused. */
  readonly nonZero: boolean;
}

const parameter = <T>(
  syntax: Syntax<T>,
  fallback: string,
  options: Partial<Omit<FelixParameter, 'syntax' | 'fallback'>> = {},
): FelixParameter<T> => ({
  syntax,
  fallback,
  field: options.field,
  local: options.local ?? false,
  dieOnFail: options.dieOnFail ?? false,
  nonZero: options.nonZero ?? false,
});

export const FELIX_PARAMETERS = {
  // Datastore connection
  DatastoreType: parameter(oneOf('kubernetes', 'etcdv3'), 'etcdv3', {local: true, dieOnFail: true, nonZero: true}),
  EtcdAddr: parameter(authority, '127.0.0.1:2379', {local: true}),
  EtcdCaFile: parameter(path, '', {local: true}),
  EtcdCertFile: parameter(path, '', {local: true}),
  EtcdEndpoints: parameter(endpointList, '', {local: true}),
  EtcdKeyFile: parameter(path, '', {local: true}),
  EtcdScheme: parameter(oneOf('http', 'https'), 'http', {local: true}),
  FelixHostname: parameter(hostname, '', {local: true, nonZero: true}),
  TyphaAddr: parameter(authority, '', {local: true}),
  TyphaCAFile: parameter(path, '', {local: true}),
  TyphaCN: parameter(text, '', {local: true}),
  TyphaCertFile: parameter(path, '', {local: true}),
  TyphaK8sNamespace: parameter(text, 'kube-system', {local: true, nonZero: true}),
  TyphaK8sServiceName: parameter(text, '', {local: true}),
  TyphaKeyFile: parameter(path, '', {local: true}),
  TyphaReadTimeout: parameter(seconds, '30', {local: true}),
  TyphaURISAN: parameter(text, '', {local: true}),
  TyphaWriteTimeout: parameter(seconds, '10', {local: true}),

  // Process: Feature detection/overrides
  FeatureDetectOverride: parameter(keyValueList, '', {field: 'featureDetectOverride'}),
  FeatureGates: parameter(keyValueList, '', {field: 'featureGates'}),

  // Process: Go runtime
  GoGCThreshold: parameter(int(-1), '40', {field: 'goGCThreshold'}),
  GoMaxProcs: parameter(int(-1), '-1', {field: 'goMaxProcs'}),
  GoMemoryLimitMB: parameter(int(-1), '-1', {field: 'goMemoryLimitMB'}),

  // Process: Health port and timeouts
  HealthEnabled: parameter(bool, 'false', {field: 'healthEnabled'}),
  HealthHost: parameter(hostAddress, 'localhost', {field: 'healthHost'}),
  HealthPort: parameter(int(0, 65535), '9099', {field: 'healthPort'}),
  HealthTimeoutOverrides: parameter(keyDurationList, '', {field: 'healthTimeoutOverrides'}),

  // Process: Logging
  LogActionRateLimit: parameter(logRate, '', {field: 'logActionRateLimit'}),
  LogActionRateLimitBurst: parameter(int(0, 9999), '5', {field: 'logActionRateLimitBurst'}),
  LogDebugFilenameRegex: parameter(regularExpression, '', {field: 'logDebugFilenameRegex'}),
  LogFilePath: parameter(path, '/var/log/calico/felix.log', {field: 'logFilePath', dieOnFail: true}),
  LogPrefix: parameter(text, 'calico-packet', {field: 'logPrefix'}),
  LogSeverityFile: parameter(oneOf('TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'FATAL'), 'INFO', {
    field: 'logSeverityFile',
  }),
  LogSeverityScreen: parameter(oneOf('TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'FATAL'), 'INFO', {
    field: 'logSeverityScreen',
  }),
  LogSeveritySys: parameter(oneOf('TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'FATAL'), 'INFO', {
    field: 'logSeveritySys',
  }),

  // Process: Prometheus metrics
  PrometheusGoMetricsEnabled: parameter(bool, 'true', {field: 'prometheusGoMetricsEnabled'}),
  PrometheusMetricsCAFile: parameter(text, '', {field: 'prometheusMetricsCAFile'}),
  PrometheusMetricsCertFile: parameter(text, '', {field: 'prometheusMetricsCertFile'}),
  PrometheusMetricsClientAuth: parameter(
    oneOf('RequireAndVerifyClientCert', 'RequireAnyClientCert', 'VerifyClientCertIfGiven', 'NoClientCert'),
    'NoClientCert',
    {field: 'prometheusMetricsClientAuth'},
  ),
  PrometheusMetricsEnabled: parameter(bool, 'false', {field: 'prometheusMetricsEnabled'}),
  PrometheusMetricsHost: parameter(hostAddress, '', {field: 'prometheusMetricsHost'}),
  PrometheusMetricsKeyFile: parameter(text, '', {field: 'prometheusMetricsKeyFile'}),
  PrometheusMetricsPort: parameter(int(0, 65535), '9091', {field: 'prometheusMetricsPort'}),
  PrometheusProcessMetricsEnabled: parameter(bool, 'true', {field: 'prometheusProcessMetricsEnabled'}),
  PrometheusWireGuardMetricsEnabled: parameter(bool, 'true', {field: 'prometheusWireGuardMetricsEnabled'}),

  // Dataplane: Common
  AllowIPIPPacketsFromWorkloads: parameter(bool, 'false', {field: 'allowIPIPPacketsFromWorkloads'}),
  AllowVXLANPacketsFromWorkloads: parameter(bool, 'false', {field: 'allowVXLANPacketsFromWorkloads'}),
  CgroupV2Path: parameter(text, '', {field: 'cgroupV2Path'}),
  ChainInsertMode: parameter(oneOf('insert', 'append'), 'insert', {
    field: 'chainInsertMode',
    dieOnFail: true,
    nonZero: true,
  }),
  DataplaneDriver: parameter(path, 'calico-iptables-plugin', {
    field: 'dataplaneDriver',
    dieOnFail: true,
    nonZero: true,
  }),
  DataplaneWatchdogTimeout: parameter(seconds, '90', {field: 'dataplaneWatchdogTimeout'}),
  DefaultEndpointToHostAction: parameter(oneOf('DROP', 'RETURN', 'ACCEPT'), 'DROP', {
    field: 'defaultEndpointToHostAction',
    dieOnFail: true,
    nonZero: true,
  }),
  DeviceRouteProtocol: parameter(int(), '3', {field: 'deviceRouteProtocol'}),
  DeviceRouteSourceAddress: parameter(ipv4, '', {field: 'deviceRouteSourceAddress'}),
  DeviceRouteSourceAddressIPv6: parameter(ipv6, '', {field: 'deviceRouteSourceAddressIPv6'}),
  DisableConntrackInvalidCheck: parameter(bool, 'false', {field: 'disableConntrackInvalidCheck'}),
  EndpointStatusPathPrefix: parameter(path, '/var/run/calico', {field: 'endpointStatusPathPrefix'}),
  ExternalNodesCIDRList: parameter(cidrList, '', {field: 'externalNodesList', dieOnFail: true}),
  FailsafeInboundHostPorts: parameter(
    portList,
    'tcp:22,udp:68,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667',
    {field: 'failsafeInboundHostPorts', dieOnFail: true},
  ),
  FailsafeOutboundHostPorts: parameter(
    portList,
    'udp:53,udp:67,tcp:179,tcp:2379,tcp:2380,tcp:5473,tcp:6443,tcp:6666,tcp:6667',
    {field: 'failsafeOutboundHostPorts', dieOnFail: true},
  ),
  FloatingIPs: parameter(oneOf('Enabled', 'Disabled'), 'Disabled', {field: 'floatingIPs'}),
  IPForwarding: parameter(oneOf('Enabled', 'Disabled'), 'Enabled', {field: 'ipForwarding'}),
  IPv4ElevatedRoutePriority: parameter(int(1, 2147483646), '512', {field: 'ipv4ElevatedRoutePriority'}),
  IPv4NormalRoutePriority: parameter(int(1, 2147483646), '1024', {field: 'ipv4NormalRoutePriority'}),
  IPv6ElevatedRoutePriority: parameter(int(1, 2147483646), '512', {field: 'ipv6ElevatedRoutePriority'}),
  IPv6NormalRoutePriority: parameter(int(1, 2147483646), '1024', {field: 'ipv6NormalRoutePriority'}),
  InterfaceExclude: parameter(interfacePatterns, 'kube-ipvs0', {field: 'interfaceExclude'}),
  InterfacePrefix: parameter(interfaceList, 'cali', {field: 'interfacePrefix', dieOnFail: true, nonZero: true}),
  InterfaceRefreshInterval: parameter(seconds, '90', {field: 'interfaceRefreshInterval'}),
  Ipv6Support: parameter(bool, 'true', {field: 'ipv6Support'}),
  IstioAmbientMode: parameter(oneOf('Disabled', 'Enabled'), 'Disabled', {field: 'istioAmbientMode'}),
  IstioDSCPMark: parameter(dscp, '23', {field: 'istioDSCPMark'}),
  LiveMigrationRouteConvergenceTime: parameter(seconds, '30', {field: 'liveMigrationRouteConvergenceTime'}),
  LocalSubnetL2Reachability: parameter(oneOf('Disabled', 'PodsAndLoadBalancers'), 'Disabled', {
    field: 'localSubnetL2Reachability',
  }),
  LocalSubnetL2ReachabilityRefreshInterval: parameter(seconds, '120', {
    field: 'localSubnetL2ReachabilityRefreshInterval',
  }),
  MTUIfacePattern: parameter(regularExpression, '^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)', {
    field: 'mtuIfacePattern',
  }),
  NATOutgoingAddress: parameter(ipv4, '', {field: 'natOutgoingAddress'}),
  NATOutgoingExclusions: parameter(oneOf('IPPoolsOnly', 'IPPoolsAndHostIPs'), 'IPPoolsOnly', {
    field: 'natOutgoingExclusions',
  }),
  NATPortRange: parameter(portRange, '', {field: 'natPortRange'}),
  NFTablesFlowTableDataIfacePattern: parameter(regularExpression, '', {field: 'nftablesFlowTableDataIfacePattern'}),
  NFTablesFlowTableOffload: parameter(oneOf('All', 'Disabled'), 'Disabled', {field: 'nftablesFlowTableOffload'}),
  NFTablesMode: parameter(oneOf('Enabled', 'Disabled', 'Auto'), 'Auto', {field: 'nftablesMode'}),
  NetlinkTimeoutSecs: parameter(seconds, '10', {field: 'netlinkTimeout'}),
  PolicySyncPathPrefix: parameter(path, '', {field: 'policySyncPathPrefix'}),
  ProgramClusterRoutes: parameter(
    oneOf('Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'),
    'EnabledIPIPOnly',
    {field: 'programClusterRoutes'},
  ),
  RemoveExternalRoutes: parameter(bool, 'true', {field: 'removeExternalRoutes'}),
  RequireMTUFile: parameter(bool, 'false', {field: 'requireMTUFile'}),
  RouteRefreshInterval: parameter(seconds, '90', {field: 'routeRefreshInterval'}),
  RouteSource: parameter(oneOf('WorkloadIPs', 'CalicoIPAM'), 'CalicoIPAM', {field: 'routeSource'}),
  RouteSyncDisabled: parameter(bool, 'false', {field: 'routeSyncDisabled'}),
  RouteTableRange: parameter(routeTableRange, '', {field: 'routeTableRange', dieOnFail: true}),
  RouteTableRanges: parameter(routeTableRanges, '', {field: 'routeTableRanges', dieOnFail: true}),
  ServiceLoopPrevention: parameter(oneOf('Drop', 'Reject', 'Disabled'), 'Drop', {field: 'serviceLoopPrevention'}),
  SidecarAccelerationEnabled: parameter(bool, 'false', {field: 'sidecarAccelerationEnabled'}),
  UseInternalDataplaneDriver: parameter(bool, 'true', {field: 'useInternalDataplaneDriver'}),
  WorkloadSourceSpoofing: parameter(oneOf('Disabled', 'Any'), 'Disabled', {field: 'workloadSourceSpoofing'}),

  // Dataplane: iptables
  IpsetsRefreshInterval: parameter(seconds, '90', {field: 'ipsetsRefreshInterval'}),
  IptablesBackend: parameter(oneOf('legacy', 'nft', 'auto'), 'auto', {field: 'iptablesBackend'}),
  IptablesFilterAllowAction: parameter(oneOf('ACCEPT', 'RETURN'), 'ACCEPT', {
    field: 'iptablesFilterAllowAction',
    dieOnFail: true,
    nonZero: true,
  }),
  IptablesFilterDenyAction: parameter(oneOf('DROP', 'REJECT'), 'DROP', {
    field: 'iptablesFilterDenyAction',
    dieOnFail: true,
    nonZero: true,
  }),
  IptablesLockProbeIntervalMillis: parameter(milliseconds, '50', {field: 'iptablesLockProbeInterval'}),
  IptablesMangleAllowAction: parameter(oneOf('ACCEPT', 'RETURN'), 'ACCEPT', {
    field: 'iptablesMangleAllowAction',
    dieOnFail: true,
    nonZero: true,
  }),
  IptablesMarkMask: parameter(markMask, '0xffff0000', {field: 'iptablesMarkMask', dieOnFail: true, nonZero: true}),
  IptablesNATOutgoingInterfaceFilter: parameter(interfaceParam, '', {field: 'iptablesNATOutgoingInterfaceFilter'}),
  IptablesPostWriteCheckIntervalSecs: parameter(seconds, '5', {field: 'iptablesPostWriteCheckInterval'}),
  IptablesRefreshInterval: parameter(seconds, '180', {field: 'iptablesRefreshInterval'}),
  KubeNodePortRanges: parameter(portRangeList, '30000:32767', {field: 'kubeNodePortRanges'}),
  MaxIpsetSize: parameter(int(), '1048576', {field: 'maxIpsetSize', nonZero: true}),

  // Dataplane: nftables
  NftablesFilterAllowAction: parameter(oneOf('ACCEPT', 'RETURN'), 'ACCEPT', {
    field: 'nftablesFilterAllowAction',
    dieOnFail: true,
    nonZero: true,
  }),
  NftablesFilterDenyAction: parameter(oneOf('DROP', 'REJECT'), 'DROP', {
    field: 'nftablesFilterDenyAction',
    dieOnFail: true,
    nonZero: true,
  }),
  NftablesMangleAllowAction: parameter(oneOf('ACCEPT', 'RETURN'), 'ACCEPT', {
    field: 'nftablesMangleAllowAction',
    dieOnFail: true,
    nonZero: true,
  }),
  NftablesMarkMask: parameter(markMask, '0xffff0000', {field: 'nftablesMarkMask', dieOnFail: true, nonZero: true}),
  NftablesRefreshInterval: parameter(seconds, '180', {field: 'nftablesRefreshInterval'}),

  // Dataplane: eBPF
  BPFAttachType: parameter(oneOf('Netkit', 'TCX', 'TC'), 'Netkit', {field: 'bpfAttachType', nonZero: true}),
  BPFCTLBLogFilter: parameter(oneOf('all'), '', {field: 'bpfCTLBLogFilter'}),
  BPFConnectTimeLoadBalancing: parameter(oneOf('TCP', 'Enabled', 'Disabled'), 'TCP', {
    field: 'bpfConnectTimeLoadBalancing',
    nonZero: true,
  }),
  BPFConnectTimeLoadBalancingEnabled: parameter(bool, '', {field: 'bpfConnectTimeLoadBalancingEnabled'}),
  BPFConntrackCleanupMode: parameter(oneOf('Auto', 'Userspace', 'BPFProgram'), 'Auto', {field: 'bpfConntrackMode'}),
  BPFConntrackLogLevel: parameter(oneOf('off', 'debug'), 'off', {field: 'bpfConntrackLogLevel', nonZero: true}),
  BPFConntrackTimeouts: parameter(
    keyValueList,
    'CreationGracePeriod=10s,TCPSynSent=20s,TCPEstablished=1h,TCPFinsSeen=Auto,TCPResetSeen=40s,UDPTimeout=60s,GenericTimeout=10m,ICMPTimeout=5s',
    {field: 'bpfConntrackTimeouts'},
  ),
  BPFDSROptoutCIDRs: parameter(cidrList, '', {field: 'bpfDSROptoutCIDRs'}),
  BPFDataIfacePattern: parameter(regularExpression, '^((en|wl|ww|sl|ib)[Popsx].*|(eth|wlan|wwan|bond).*)', {
    field: 'bpfDataIfacePattern',
  }),
  BPFDisableGROForIfaces: parameter(regularExpression, '', {field: 'bpfDisableGROForIfaces'}),
  BPFDisableUnprivileged: parameter(bool, 'true', {field: 'bpfDisableUnprivileged'}),
  BPFEnabled: parameter(bool, 'false', {field: 'bpfEnabled'}),
  BPFEnforceRPF: parameter(oneOf('Disabled', 'Strict', 'Loose'), 'Loose', {field: 'bpfEnforceRPF', nonZero: true}),
  BPFExcludeCIDRsFromNAT: parameter(cidrList, '', {field: 'bpfExcludeCIDRsFromNAT'}),
  BPFExportBufferSizeMB: parameter(int(), '1', {field: 'bpfExportBufferSizeMB', nonZero: true}),
  BPFExtToServiceConnmark: parameter(int(), '0', {field: 'bpfExtToServiceConnmark'}),
  BPFExternalServiceMode: parameter(oneOf('tunnel', 'dsr'), 'tunnel', {field: 'bpfExternalServiceMode', nonZero: true}),
  BPFForceTrackPacketsFromIfaces: parameter(interfaceFilters, 'docker+', {field: 'bpfForceTrackPacketsFromIfaces'}),
  BPFHostConntrackBypass: parameter(bool, 'false', {field: 'bpfHostConntrackBypass'}),
  BPFHostNetworkedNATWithoutCTLB: parameter(oneOf('Enabled', 'Disabled'), 'Enabled', {
    field: 'bpfHostNetworkedNATWithoutCTLB',
    nonZero: true,
  }),
  BPFIPFragTimeout: parameter(seconds, '0', {field: 'bpfIPFragTimeout'}),
  BPFIPFragmentReassemblyEnabled: parameter(bool, 'true', {field: 'bpfIPFragmentReassemblyEnabled'}),
  BPFJITHardening: parameter(oneOf('Auto', 'Strict'), 'Auto', {field: 'bpfJITHardening', nonZero: true}),
  BPFKubeProxyHealthzPort: parameter(int(), '10256', {field: 'bpfKubeProxyHealthzPort'}),
  BPFKubeProxyIptablesCleanupEnabled: parameter(bool, 'true', {field: 'bpfKubeProxyIptablesCleanupEnabled'}),
  BPFKubeProxyMinSyncPeriod: parameter(seconds, '1', {field: 'bpfKubeProxyMinSyncPeriod'}),
  BPFL3IfacePattern: parameter(regularExpression, '', {field: 'bpfL3IfacePattern'}),
  BPFLogFilters: parameter(keyValueList, '', {field: 'bpfLogFilters'}),
  BPFLogLevel: parameter(oneOf('off', 'info', 'debug'), 'off', {field: 'bpfLogLevel', nonZero: true}),
  BPFMaglevMaxEndpointsPerService: parameter(int(1, 3000), '100', {field: 'bpfMaglevMaxEndpointsPerService'}),
  BPFMaglevMaxServices: parameter(int(1, 3000), '100', {field: 'bpfMaglevMaxServices'}),
  BPFMapSizeConntrack: parameter(int(), '512000', {field: 'bpfMapSizeConntrack', nonZero: true}),
  BPFMapSizeConntrackCleanupQueue: parameter(int(), '100000', {
    field: 'bpfMapSizeConntrackCleanupQueue',
    nonZero: true,
  }),
  BPFMapSizeConntrackScaling: parameter(oneOf('Disabled', 'DoubleIfFull'), 'DoubleIfFull', {
    field: 'bpfMapSizeConntrackScaling',
    nonZero: true,
  }),
  BPFMapSizeIPSets: parameter(int(), '1048576', {field: 'bpfMapSizeIPSets', nonZero: true}),
  BPFMapSizeIfState: parameter(int(), '1000', {field: 'bpfMapSizeIfState', nonZero: true}),
  BPFMapSizeNATAffinity: parameter(int(), '65536', {field: 'bpfMapSizeNATAffinity', nonZero: true}),
  BPFMapSizeNATBackend: parameter(int(), '262144', {field: 'bpfMapSizeNATBackend', nonZero: true}),
  BPFMapSizeNATFrontend: parameter(int(), '65536', {field: 'bpfMapSizeNATFrontend', nonZero: true}),
  BPFMapSizePerCPUConntrack: parameter(int(), '0', {field: 'bpfMapSizePerCpuConntrack'}),
  BPFMapSizeRoute: parameter(int(), '262144', {field: 'bpfMapSizeRoute', nonZero: true}),
  BPFOverlayHostSourceIP: parameter(oneOf('TunnelAddress', 'HostAddress'), 'TunnelAddress', {
    field: 'bpfOverlayHostSourceIP',
    nonZero: true,
  }),
  BPFPSNATPorts: parameter(portRange, '20000:29999', {field: 'bpfPSNATPorts'}),
  BPFPolicyDebugEnabled: parameter(bool, 'true', {field: 'bpfPolicyDebugEnabled'}),
  BPFProfiling: parameter(oneOf('Disabled', 'Enabled'), 'Disabled', {field: 'bpfProfiling', nonZero: true}),
  BPFRedirectToPeer: parameter(oneOf('Disabled', 'Enabled', 'L2Only'), 'Enabled', {
    field: 'bpfRedirectToPeer',
    nonZero: true,
  }),

  // Dataplane: OpenStack support
  EndpointReportingDelaySecs: parameter(seconds, '1', {field: 'endpointReportingDelay'}),
  EndpointReportingEnabled: parameter(bool, 'false', {field: 'endpointReportingEnabled'}),
  MetadataAddr: parameter(hostname, '127.0.0.1', {field: 'metadataAddr', dieOnFail: true}),
  MetadataPort: parameter(int(0, 65535), '8775', {field: 'metadataPort', dieOnFail: true}),
  OpenstackRegion: parameter(region, '', {field: 'openstackRegion', dieOnFail: true}),
  ReportingIntervalSecs: parameter(seconds, '30', {field: 'reportingInterval'}),
  ReportingTTLSecs: parameter(seconds, '90', {field: 'reportingTTL'}),

  // Dataplane: XDP acceleration for iptables dataplane
  GenericXDPEnabled: parameter(bool, 'false', {field: 'genericXDPEnabled'}),
  XDPEnabled: parameter(bool, 'true', {field: 'xdpEnabled'}),
  XDPRefreshInterval: parameter(seconds, '90', {field: 'xdpRefreshInterval'}),

  // Overlay: VXLAN overlay
  VXLANEnabled: parameter(optionalBool, '', {field: 'vxlanEnabled'}),
  VXLANMTU: parameter(int(), '0', {field: 'vxlanMTU'}),
  VXLANMTUV6: parameter(int(), '0', {field: 'vxlanMTUV6'}),
  VXLANPort: parameter(int(), '4789', {field: 'vxlanPort'}),
  VXLANVNI: parameter(int(), '4096', {field: 'vxlanVNI'}),

  // Overlay: IP-in-IP
  IpInIpEnabled: parameter(optionalBool, '', {field: 'ipipEnabled'}),
  IpInIpMtu: parameter(int(), '0', {field: 'ipipMTU'}),

  // Overlay: Wireguard
  WireguardEnabled: parameter(bool, 'false', {field: 'wireguardEnabled'}),
  WireguardEnabledV6: parameter(bool, 'false', {field: 'wireguardEnabledV6'}),
  WireguardHostEncryptionEnabled: parameter(bool, 'false', {field: 'wireguardHostEncryptionEnabled'}),
  WireguardInterfaceName: parameter(interfaceParam, 'wireguard.cali', {field: 'wireguardInterfaceName', nonZero: true}),
  WireguardInterfaceNameV6: parameter(interfaceParam, 'wg-v6.cali', {field: 'wireguardInterfaceNameV6', nonZero: true}),
  WireguardListeningPort: parameter(int(), '51820', {field: 'wireguardListeningPort'}),
  WireguardListeningPortV6: parameter(int(), '51821', {field: 'wireguardListeningPortV6'}),
  WireguardMTU: parameter(int(), '0', {field: 'wireguardMTU'}),
  WireguardMTUV6: parameter(int(), '0', {field: 'wireguardMTUV6'}),
  WireguardPersistentKeepAlive: parameter(seconds, '0', {field: 'wireguardKeepAlive'}),
  WireguardRoutingRulePriority: parameter(int(), '99', {field: 'wireguardRoutingRulePriority'}),
  WireguardThreadingEnabled: parameter(bool, 'false', {field: 'wireguardThreadingEnabled'}),

  // Flow logs: file reports
  FlowLogsCollectorDebugTrace: parameter(bool, 'false', {field: 'flowLogsCollectorDebugTrace'}),
  FlowLogsFlushInterval: parameter(seconds, '300', {field: 'flowLogsFlushInterval'}),
  FlowLogsGoldmaneServer: parameter(text, '', {field: 'flowLogsGoldmaneServer'}),
  FlowLogsLocalReporter: parameter(oneOf('Enabled', 'Disabled'), 'Disabled', {field: 'flowLogsLocalReporter'}),
  FlowLogsPolicyEvaluationMode: parameter(oneOf('None', 'Continuous'), 'Continuous', {
    field: 'flowLogsPolicyEvaluationMode',
  }),

  // AWS integration
  AWSSrcDstCheck: parameter(oneOf('DoNothing', 'Enable', 'Disable'), 'DoNothing', {
    field: 'awsSrcDstCheck',
    nonZero: true,
  }),

  // Debug/test-only (generally unsupported)
  DebugBPFCgroupV2: parameter(text, '', {local: true}),
  DebugCPUProfilePath: parameter(path, '/tmp/felix-cpu-<timestamp>.pprof'),
  DebugDisableLogDropping: parameter(bool, 'false', {field: 'debugDisableLogDropping'}),
  DebugHost: parameter(hostAddress, 'localhost', {field: 'debugHost'}),
  DebugMemoryProfilePath: parameter(path, '', {field: 'debugMemoryProfilePath'}),
  DebugPanicAfter: parameter(seconds, '0'),
  DebugPort: parameter(int(0, 65535), '', {field: 'debugPort'}),

  // Usage reporting
  UsageReportingEnabled: parameter(bool, 'true', {field: 'usageReportingEnabled'}),
  UsageReportingInitialDelaySecs: parameter(seconds, '300', {field: 'usageReportingInitialDelay'}),
  UsageReportingIntervalSecs: parameter(seconds, '86400', {field: 'usageReportingInterval'}),

  // From Node and ClusterInformation, and what has no section
  IPv4VXLANTunnelAddr: parameter(ipv4, ''),
  IPv6VXLANTunnelAddr: parameter(ipv6, ''),
  VXLANTunnelMACAddr: parameter(text, ''),
  VXLANTunnelMACAddrV6: parameter(text, ''),
  IpInIpTunnelAddr: parameter(ipv4, ''),
  WindowsManageFirewallRules: parameter(oneOf('Enabled', 'Disabled'), 'Disabled', {
    field: 'windowsManageFirewallRules',
  }),
  ClusterGUID: parameter(text, 'baddecaf'),
  ClusterType: parameter(text, ''),
  CalicoVersion: parameter(text, ''),
  DebugSimulateCalcGraphHangAfter: parameter(seconds, '0', {field: 'debugSimulateCalcGraphHangAfter'}),
  DebugSimulateDataplaneHangAfter: parameter(seconds, '0', {field: 'debugSimulateDataplaneHangAfter'}),
  DebugSimulateDataplaneApplyDelay: parameter(seconds, '0', {field: 'debugSimulateDataplaneApplyDelay'}),
  DebugSimulateDataRace: parameter(bool, 'false'),
  Variant: parameter(text, 'Calico'),
} as const;

export type FelixParameterName = keyof typeof FELIX_PARAMETERS;

type ValueOf<P> = P extends FelixParameter<infer T> ? T : never;

/** A value for every parameter. Durations are in milliseconds whatever the name says. */
export type FelixValues = {readonly [N in FelixParameterName]: ValueOf<(typeof FELIX_PARAMETERS)[N]>};

export const FELIX_PARAMETER_NAMES: readonly FelixParameterName[] =
  Object.keys(FELIX_PARAMETERS).filter(isFelixParameterName);

function isFelixParameterName(name: string): name is FelixParameterName {
  return Object.hasOwn(FELIX_PARAMETERS, name);
}

/** The parameter a source means by `name`, in any case. */
export function findFelixParameter(name: string): FelixParameterName | undefined {
  if (isFelixParameterName(name)) return name;
  const lowerCase = name.toLowerCase();
  return FELIX_PARAMETER_NAMES.find((known) => known.toLowerCase() === lowerCase);
}

/** The value of a text that is not empty, or the rule it breaks. */
export function parseFelixValue<N extends FelixParameterName>(name: N, raw: string): Parsed<FelixValues[N]> {
  const {syntax, nonZero}: FelixParameter = FELIX_PARAMETERS[name];
  const parsed =
    raw.toLowerCase() !== 'none' ? syntax.parse(raw) : nonZero ? {rule: 'must not be none'} : {value: syntax.zero};
  // The table that types the result is the one that gave the syntax.
  return parsed as Parsed<FelixValues[N]>;
}

/** The value a parameter has when no source sets it. */
export function defaultFelixValue<N extends FelixParameterName>(name: N): FelixValues[N] {
  const {syntax, fallback}: FelixParameter = FELIX_PARAMETERS[name];
  const parsed = fallback === '' ? {value: syntax.zero} : syntax.parse(fallback);
  if ('rule' in parsed) throw new Error(`the default of ${name} ${parsed.rule}`);
  return parsed.value as FelixValues[N];
}

const ANNOTATION_PREFIX = 'config.projectcalico.org/';

/**
 * The parameters that a FelixConfiguration sets, as text. Annotations `config.projectcalico.org/<Name>` win over fields
 * and may name anything.
 */
export function felixParameters(
  spec: FelixConfigurationSpec,
  annotations: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const name of FELIX_PARAMETER_NAMES) {
    const {field, syntax}: FelixParameter = FELIX_PARAMETERS[name];
    const value = field === undefined ? undefined : spec[field];
    const asText = field === undefined || value === undefined ? '' : fieldText(field, value, syntax);
    if (asText !== '') texts.set(name, asText);
  }
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(ANNOTATION_PREFIX)) continue;
    const name = key.slice(ANNOTATION_PREFIX.length);
    texts.set(findFelixParameter(name) ?? name, value);
  }
  return texts;
}

type FieldValue = Exclude<FelixConfigurationSpec[keyof FelixConfigurationSpec], undefined>;
type ListItem = Extract<FieldValue, readonly unknown[]>[number];

function fieldText(field: keyof FelixConfigurationSpec, value: FieldValue, syntax: Syntax<unknown>): string {
  if (isList(value)) return syntax === portList && value.length === 0 ? 'none' : value.map(itemText).join(',');
  if (typeof value === 'object') return objectText(field, value);
  if (typeof value !== 'string') return String(value);
  if (syntax !== seconds && syntax !== milliseconds) return value;
  const durationMs = parseDuration(value);
  // A text that is no duration is passed on, to be refused where the parameter is parsed.
  if (durationMs === undefined) return value;
  return String(syntax === seconds ? durationMs / 1000 : durationMs);
}

const isList = (value: FieldValue): value is Extract<FieldValue, readonly unknown[]> => Array.isArray(value);

function itemText(item: ListItem): string {
  if (typeof item !== 'object') return String(item);
  if ('min' in item) return `${item.min}-${item.max}`;
  if ('timeout' in item) return `${item.name}=${usualDuration(item.timeout)}`;
  const protocol = (item.protocol ?? 'TCP').toLowerCase();
  if (item.net === undefined) return `${protocol}:${item.port}`;
  const isIpv6 = parseCidr(item.net)?.ip.family === 6;
  return `${protocol}:${isIpv6 ? `[${item.net}]` : item.net}:${item.port}`;
}

function objectText(field: keyof FelixConfigurationSpec, value: object): string {
  const pairs = Object.entries(value).filter(([, item]) => item !== undefined);
  if (field === 'routeTableRange') return pairs.map(([, bound]) => String(bound)).join('-');
  const isTimeouts = field === 'bpfConntrackTimeouts';
  return pairs.map(([key, item]) => `${isTimeouts ? timeoutName(key) : key}=${String(item)}`).join(',');
}

/** `tcpSynSent` is TCPSynSent to Felix. */
const timeoutName = (field: string): string => field.replace(/^(?:tcp|udp|icmp|[a-z])/, (start) => start.toUpperCase());
