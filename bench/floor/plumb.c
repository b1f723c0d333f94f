/*
 * The floor of CNI: the kernel work of connecting a pod, and nothing else. No address management, no configuration, no
 * state: the address is made of the number at the end of the container's name.
 *
 *   as a CNI plugin   CNI_COMMAND=ADD|DEL CNI_CONTAINERID=...<number> CNI_NETNS=... plumb
 *   in process        plumb ADD|DEL PREFIX COUNT       prints microseconds for each of the pods PREFIX0, PREFIX1, ...
 *
 * What the kernel is asked for is what the agent asks for, in the same order: the pair of interfaces, routes and address
 * in the pod, settings, link, route and neighbour on the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "measure.h"

enum { HOST_PREFIX_LENGTH = 32, NAME_SPACE = 64, MTU = 1450 };
static const uint32_t FIRST_ADDRESS = 10u << 24 | 210u << 16 | 1;
static const uint32_t GATEWAY = 169u << 24 | 254u << 16 | 1u << 8 | 1;
static const uint8_t HOST_MAC[] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

static struct batch batch;

struct pod {
  const char *netns;
  char host_link[IFNAMSIZ];
  uint8_t mac[6];
  uint32_t address; /* network byte order */
};

static struct pod describe(const char *netns, unsigned number) {
  struct pod pod = {.netns = netns, .address = htonl(FIRST_ADDRESS + number)};
  uint8_t mac[] = {0x02, 0, 0, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
  memcpy(pod.mac, mac, sizeof mac);
  snprintf(pod.host_link, sizeof pod.host_link, "floor%u", number);
  return pod;
}

static void exchange(int fd, const char *what) {
  int error = netlink_exchange(fd, &batch);
  batch_clear(&batch);
  if (error == 0) return;
  errno = error;
  fail(what);
}

static void write_file(const char *path, const char *value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, strlen(value)) < 0) fail(path);
  close(fd);
}

static void write_sysctl(const char *kind, const char *link, const char *name, const char *value) {
  char path[NAME_SPACE * 2];
  snprintf(path, sizeof path, "/proc/sys/net/%s/%s/%s", kind, link, name);
  write_file(path, value);
}

static void add_pair(const struct pod *pod, int host_netns) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
  batch_message(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  batch_text(&batch, IFLA_IFNAME, "eth0");
  batch_u32(&batch, IFLA_MTU, MTU);
  batch_attribute(&batch, IFLA_ADDRESS, pod->mac, sizeof pod->mac);
  size_t info = batch_open(&batch, IFLA_LINKINFO);
  batch_text(&batch, IFLA_INFO_KIND, "veth");
  size_t data = batch_open(&batch, IFLA_INFO_DATA);
  size_t peer = batch_open(&batch, VETH_INFO_PEER);
  batch_append(&batch, &header, sizeof header);
  batch_text(&batch, IFLA_IFNAME, pod->host_link);
  batch_u32(&batch, IFLA_MTU, MTU);
  batch_attribute(&batch, IFLA_ADDRESS, HOST_MAC, sizeof HOST_MAC);
  batch_u32(&batch, IFLA_NET_NS_FD, (uint32_t)host_netns);
  batch_close(&batch, peer);
  batch_close(&batch, data);
  batch_close(&batch, info);
}

static void set_up(uint32_t index) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  batch_message(&batch, RTM_NEWLINK, 0, &header, sizeof header);
}

static void add_route(uint32_t index, uint32_t destination, uint8_t length, uint32_t gateway) {
  struct rtmsg header = {.rtm_family = AF_INET,
                         .rtm_dst_len = length,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_BOOT,
                         .rtm_type = RTN_UNICAST,
                         .rtm_scope = gateway == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE};
  batch_message(&batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof header);
  if (length != 0) batch_u32(&batch, RTA_DST, destination);
  if (gateway != 0) batch_u32(&batch, RTA_GATEWAY, gateway);
  batch_u32(&batch, RTA_OIF, index);
}

static void add_address(uint32_t index, uint32_t address) {
  struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = HOST_PREFIX_LENGTH, .ifa_index = index};
  batch_message(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  batch_u32(&batch, IFA_LOCAL, address);
  batch_u32(&batch, IFA_ADDRESS, address);
}

static void add_neighbour(uint32_t index, const struct pod *pod) {
  struct ndmsg header = {.ndm_family = AF_INET, .ndm_ifindex = (int)index, .ndm_state = NUD_PERMANENT};
  batch_message(&batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof header);
  batch_u32(&batch, NDA_DST, pod->address);
  batch_attribute(&batch, NDA_LLADDR, pod->mac, sizeof pod->mac);
}

static void connect_pod(const struct pod *pod, int host_netns, int host_socket) {
  int netns = open(pod->netns, O_RDONLY | O_CLOEXEC);
  if (netns < 0) fail(pod->netns);
  if (setns(netns, CLONE_NEWNET) != 0) fail("setns");
  int socket = netlink_open();
  add_pair(pod, host_netns);
  exchange(socket, "veth");
  uint32_t index = if_nametoindex("eth0");
  set_up(index);
  add_route(index, htonl(GATEWAY), HOST_PREFIX_LENGTH, 0);
  add_route(index, 0, 0, htonl(GATEWAY));
  add_address(index, pod->address);
  exchange(socket, "pod");
  write_file("/proc/sys/net/ipv4/ip_forward", "0");
  close(socket);
  close(netns);

  if (setns(host_netns, CLONE_NEWNET) != 0) fail("setns");
  write_sysctl("ipv6/conf", pod->host_link, "accept_ra", "0");
  write_sysctl("ipv4/conf", pod->host_link, "rp_filter", "0");
  write_sysctl("ipv4/conf", pod->host_link, "route_localnet", "1");
  write_sysctl("ipv4/neigh", pod->host_link, "proxy_delay", "0");
  write_sysctl("ipv4/conf", pod->host_link, "proxy_arp", "1");
  write_sysctl("ipv4/conf", pod->host_link, "forwarding", "1");
  uint32_t host_index = if_nametoindex(pod->host_link);
  set_up(host_index);
  add_route(host_index, pod->address, HOST_PREFIX_LENGTH, 0);
  add_neighbour(host_index, pod);
  exchange(host_socket, "host");
}

static void delete_pair(const struct pod *pod, int host_socket) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
  batch_message(&batch, RTM_DELLINK, 0, &header, sizeof header);
  batch_text(&batch, IFLA_IFNAME, pod->host_link);
  exchange(host_socket, "delete");
}

static void run(const char *verb, const struct pod *pod, int host_netns, int host_socket) {
  if (strcmp(verb, "ADD") == 0) connect_pod(pod, host_netns, host_socket);
  else if (strcmp(verb, "DEL") == 0) delete_pair(pod, host_socket);
  else {
    fprintf(stderr, "%s: neither ADD nor DEL\n", verb);
    exit(2);
  }
}

/* The number at the end of a container's name. */
static unsigned trailing_number(const char *name) {
  const char *digits = name + strlen(name);
  while (digits > name && digits[-1] >= '0' && digits[-1] <= '9') digits--;
  return (unsigned)strtoul(digits, NULL, 10);
}

static void run_plugin(int host_netns, int host_socket) {
  const char *verb = getenv("CNI_COMMAND"), *name = getenv("CNI_CONTAINERID"), *netns = getenv("CNI_NETNS");
  if (verb == NULL || name == NULL || netns == NULL) {
    fprintf(stderr, "CNI_COMMAND, CNI_CONTAINERID and CNI_NETNS are needed\n");
    exit(2);
  }
  static char config[16 * 1024];
  while (read(STDIN_FILENO, config, sizeof config) > 0) continue;
  struct pod pod = describe(netns, trailing_number(name));
  run(verb, &pod, host_netns, host_socket);
  printf("{\"cniVersion\":\"1.0.0\"}\n");
}

static void run_loop(const char *verb, const char *prefix, unsigned count, int host_netns, int host_socket) {
  for (unsigned number = 0; number < count; number++) {
    char netns[NAME_SPACE * 2];
    snprintf(netns, sizeof netns, "/run/netns/%s%u", prefix, number);
    struct pod pod = describe(netns, number);
    int64_t start = now_us();
    run(verb, &pod, host_netns, host_socket);
    printf("call %lld\n", (long long)(now_us() - start));
  }
}

int main(int argc, char **argv) {
  int host_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (host_netns < 0) fail("/proc/self/ns/net");
  int host_socket = netlink_open();
  if (argc == 4) run_loop(argv[1], argv[2], parse_count(argv[3]), host_netns, host_socket);
  else run_plugin(host_netns, host_socket);
  return 0;
}
