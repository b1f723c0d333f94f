/** What the whole host needs, whatever workloads it has: forwarding. */
import type {Sysctl} from './entries.ts';
import type {DataPlaneSettings} from './settings.ts';

export function renderHostSysctls(
  settings: Pick<DataPlaneSettings, 'isForwardingWanted' | 'isIpv6Enabled'>,
): readonly Sysctl[] {
  const sysctls: Sysctl[] = [];
  if (settings.isForwardingWanted) {
    sysctls.push({path: 'net/ipv4/ip_forward', value: '1', isOptional: false});
    if (settings.isIpv6Enabled) sysctls.push({path: 'net/ipv6/conf/all/forwarding', value: '1', isOptional: true});
  }
  // Packet and byte counters per connection, for whoever looks; absent where connection tracking is not loaded.
  sysctls.push({path: 'net/netfilter/nf_conntrack_acct', value: '1', isOptional: true});
  return sysctls;
}
