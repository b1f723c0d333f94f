/**
 * Numbers of the rtnetlink protocol, as the kernel's uapi headers have them. Names are the headers' own, grouped by
 * their prefix, so that a reader can look each of them up.
 */

export const AF = {UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10} as const;

export const NETLINK_ROUTE = 0;

export const NLMSG = {NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4} as const;

export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  DUMP_INTR: 0x10,
  /** Of a get request. */
  DUMP: 0x300,
  /** Of a new request. */
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  /** Of an acknowledgement: the request is echoed as its header only. */
  CAPPED: 0x100,
  /** Of an acknowledgement or the end of a dump: attributes follow. */
  ACK_TLVS: 0x200,
} as const;

/** Attributes of an extended acknowledgement. */
export const NLMSGERR_ATTR = {MSG: 1, OFFS: 2} as const;

export const NLA_F_NESTED = 0x8000;
/** The type of an attribute without its two flag bits. */
export const NLA_TYPE_MASK = 0x3fff;

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
  NEWNETCONF: 80,
  DELNETCONF: 81,
  GETNETCONF: 82,
} as const;

/** Multicast groups, as numbers (not bits). */
export const RTNLGRP = {
  LINK: 1,
  NEIGH: 3,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV4_RULE: 8,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
  IPV6_RULE: 19,
  IPV4_NETCONF: 24,
  IPV6_NETCONF: 25,
} as const;

export const IFF = {UP: 0x1, BROADCAST: 0x2, LOOPBACK: 0x8, RUNNING: 0x40, LOWER_UP: 0x10000} as const;

export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  TXQLEN: 13,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
} as const;

/** IFLA_EXT_MASK: leave out what a router of pods never reads. */
export const RTEXT_FILTER_SKIP_STATS = 1 << 3;

export const IFLA_INFO = {KIND: 1, DATA: 2} as const;

export const VETH_INFO_PEER = 1;

export const IFLA_VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  LEARNING: 7,
  L2MISS: 13,
  L3MISS: 14,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  UDP_CSUM: 18,
  GBP: 23,
  COLLECT_METADATA: 25,
} as const;

export const IFA = {ADDRESS: 1, LOCAL: 2, LABEL: 3, BROADCAST: 4, CACHEINFO: 6, FLAGS: 8, RT_PRIORITY: 9} as const;

export const IFA_F = {
  SECONDARY: 0x1,
  NODAD: 0x2,
  DADFAILED: 0x8,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  NOPREFIXROUTE: 0x200,
} as const;

export const RTA = {
  DST: 1,
  SRC: 2,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  NH_ID: 30,
} as const;

export const RTAX_MTU = 2;

/** Flags of a next hop (rtm_flags and rtnh_flags). */
export const RTNH_F = {DEAD: 0x1, ONLINK: 0x4, LINKDOWN: 0x10} as const;
/** rtm_flags: a cached copy, not an entry of the table. */
export const RTM_F_CLONED = 0x200;

export const RT_TABLE = {UNSPEC: 0, COMPAT: 252, DEFAULT: 253, MAIN: 254, LOCAL: 255} as const;

export const RT_SCOPE = {UNIVERSE: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255} as const;

/** Who made a route or a rule. 80 is what Felix writes. */
export const RTPROT = {
  UNSPEC: 0,
  REDIRECT: 1,
  KERNEL: 2,
  BOOT: 3,
  STATIC: 4,
  RA: 9,
  BIRD: 12,
  DHCP: 16,
  FELIX: 80,
} as const;

export const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  GOTO: 4,
  PRIORITY: 6,
  FWMARK: 10,
  SUPPRESS_PREFIXLEN: 14,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  L3MDEV: 19,
  UID_RANGE: 20,
  PROTOCOL: 21,
  IP_PROTO: 22,
  SPORT_RANGE: 23,
  DPORT_RANGE: 24,
} as const;

export const FIB_RULE_INVERT = 0x2;

export const NDA = {DST: 1, LLADDR: 2, VLAN: 5, PORT: 6, VNI: 7, IFINDEX: 8, MASTER: 9} as const;

export const NTF = {
  SELF: 0x2,
  MASTER: 0x4,
  PROXY: 0x8,
  EXT_LEARNED: 0x10,
  OFFLOADED: 0x20,
  STICKY: 0x40,
  ROUTER: 0x80,
} as const;

export const NUD = {
  NONE: 0x00,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;

export const NETCONFA = {
  IFINDEX: 1,
  FORWARDING: 2,
  RP_FILTER: 3,
  MC_FORWARDING: 4,
  PROXY_NEIGH: 5,
  IGNORE_ROUTES_WITH_LINKDOWN: 6,
} as const;
