/** What Calico asks of a kernel, and whether it is there: pure, over what was read of the machine. */

export interface KernelFeature {
  readonly name: string;
  /** Of the kernel's configuration; one is enough. */
  readonly options: readonly string[];
  /** Modules that do the same. */
  readonly alternatives?: readonly string[];
  /** Without it nothing that is usual stops to work. */
  readonly optional?: boolean;
}

/** In the order in which they are reported. */
export const KERNEL_FEATURES: readonly KernelFeature[] = [
  {name: 'ip_set', options: ['CONFIG_IP_SET']},
  {name: 'ip6_tables', options: ['CONFIG_IP6_NF_IPTABLES'], optional: true},
  {name: 'ip_tables', options: ['CONFIG_IP_NF_IPTABLES']},
  {name: 'ipt_ipvs', options: ['CONFIG_NETFILTER_XT_MATCH_IPVS'], alternatives: ['xt_ipvs']},
  {name: 'vfio-pci', options: ['CONFIG_VFIO', 'CONFIG_VFIO_PCI'], alternatives: ['vfio_pci']},
  {name: 'xt_bpf', options: ['CONFIG_BPF', 'CONFIG_NETFILTER_XT_MATCH_BPF'], optional: true},
  {
    name: 'ipt_REJECT',
    options: ['CONFIG_IP_NF_TARGET_REJECT', 'CONFIG_NFT_REJECT', 'CONFIG_NETFILTER_XT_TARGET_REJECT'],
    alternatives: ['xt_REJECT'],
  },
  {
    name: 'xt_rpfilter',
    options: ['CONFIG_IP_NF_MATCH_RPFILTER', 'CONFIG_IP6_NF_MATCH_RPFILTER', 'CONFIG_NETFILTER_XT_MATCH_RPFILTER'],
    alternatives: ['ipt_rpfilter'],
  },
  {name: 'nf_conntrack_netlink', options: ['CONFIG_NF_CT_NETLINK']},
  {name: 'xt_addrtype', options: ['CONFIG_NETFILTER_XT_MATCH_ADDRTYPE']},
  {name: 'xt_conntrack', options: ['CONFIG_NETFILTER_XT_MATCH_CONNTRACK']},
  {
    name: 'xt_mark',
    options: ['CONFIG_NETFILTER_XT_MARK', 'CONFIG_IP_NF_TARGET_MARK', 'CONFIG_NETFILTER_XT_TARGET_MARK'],
  },
  {name: 'xt_multiport', options: ['CONFIG_NETFILTER_XT_MATCH_MULTIPORT', 'CONFIG_IP_NF_MATCH_MULTIPORT']},
  {name: 'xt_set', options: ['CONFIG_NETFILTER_XT_SET'], alternatives: ['ipt_set']},
  {name: 'xt_u32', options: ['CONFIG_NETFILTER_XT_MATCH_U32'], optional: true},
];

/** Names of modules are with underscores here, whatever they are elsewhere. */
export interface KernelFacts {
  /** Loaded or built in. */
  readonly present: ReadonlySet<string>;
  /** Files that could be loaded, and what is built in. */
  readonly available: ReadonlySet<string>;
  /** Options of the kernel's configuration that are set. */
  readonly options: ReadonlySet<string>;
}

export function hasFeature(feature: KernelFeature, {present, available, options}: KernelFacts): boolean {
  const names = [feature.name, ...(feature.alternatives ?? [])].map(moduleName);
  return (
    names.some((name) => present.has(name) || available.has(name)) ||
    feature.options.some((option) => options.has(option))
  );
}

export const moduleName = (text: string): string => text.replaceAll('-', '_');

/** Modules in `modules.dep` or `modules.builtin`: a path per line, with more behind a colon. */
export const modulesIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^(?:[^:\n]*\/)?([^/:\n]+)\.ko(?:\.(?:gz|xz|zst|bz2))?(?=:|$)/gm), ([, name = '']) =>
    moduleName(name),
  );

/** Options that are built in or modules. */
export const optionsIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^(CONFIG_\w+)=[ym]/gm), ([, name = '']) => name);

/** The first kernel with network namespaces and pairs of virtual interfaces. */
export const OLDEST_KERNEL = '2.6.24';

export function isRecentEnough(release: string): boolean {
  const [numbers, oldest] = [numbersOf(release), numbersOf(OLDEST_KERNEL)];
  for (const [i, least] of oldest.entries()) {
    const number = numbers[i] ?? 0;
    if (number !== least) return number > least;
  }
  return true;
}

const numbersOf = (release: string): readonly number[] =>
  (/^\d+(?:\.\d+)*/.exec(release)?.[0] ?? '').split('.').map(Number);
