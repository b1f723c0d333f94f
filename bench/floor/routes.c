/*
 * The floor of route programming: 1024 messages a send, and a dump that is walked attribute by attribute.
 *
 *   routes add|del|dump DEVICE GATEWAY COUNT      prints microseconds, without process start
 *
 * Route number i goes to 10.128.0.0 + 64 i, length 26: what the blocks of other nodes look like.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"
#include "measure.h"

enum { PER_SEND = 1024, PROTOCOL = 80, BLOCK = 64, BLOCK_LENGTH = 26 };
static const uint32_t FIRST = 10u << 24 | 128u << 16;

static struct batch batch;

static void write_route(uint16_t type, uint16_t flags, unsigned number, uint32_t device, struct in_addr gateway) {
  struct rtmsg header = {.rtm_family = AF_INET,
                         .rtm_dst_len = BLOCK_LENGTH,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = PROTOCOL,
                         .rtm_type = RTN_UNICAST,
                         .rtm_flags = RTNH_F_ONLINK};
  uint32_t destination = htonl(FIRST + number * BLOCK);
  batch_message(&batch, type, flags, &header, sizeof header);
  batch_u32(&batch, RTA_DST, destination);
  batch_attribute(&batch, RTA_GATEWAY, &gateway, sizeof gateway);
  batch_u32(&batch, RTA_OIF, device);
}

static void change(int fd, uint16_t type, uint16_t flags, uint32_t device, struct in_addr gateway, unsigned count) {
  for (unsigned from = 0; from < count;) {
    batch_clear(&batch);
    for (unsigned n = 0; n < PER_SEND && from < count; n++, from++) write_route(type, flags, from, device, gateway);
    int error = netlink_exchange(fd, &batch);
    if (error != 0) {
      errno = error;
      fail("route");
    }
  }
}

/* Destinations of the routes of our protocol, added up, so that nothing is left out by the compiler. */
static unsigned walk(int fd, uint32_t *sum) {
  struct rtmsg question = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN};
  batch_clear(&batch);
  batch_message(&batch, RTM_GETROUTE, NLM_F_DUMP, &question, sizeof question);
  if (send(fd, batch.data, batch.length, 0) < 0) fail("send");
  unsigned count = 0;
  while (1) {
    static _Alignas(NLMSG_ALIGNTO) uint8_t answer[256 * 1024];
    ssize_t size = recv(fd, answer, sizeof answer, 0);
    if (size < 0) fail("recv");
    size_t left = (size_t)size;
    for (struct nlmsghdr *message = (void *)answer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return count;
      if (message->nlmsg_type != RTM_NEWROUTE) continue;
      const struct rtmsg *route = NLMSG_DATA(message);
      const struct rtattr *found[RTA_MAX + 1] = {NULL};
      size_t rest = RTM_PAYLOAD(message);
      for (struct rtattr *at = RTM_RTA(route); RTA_OK(at, rest); at = RTA_NEXT(at, rest))
        if (at->rta_type <= RTA_MAX) found[at->rta_type] = at;
      if (route->rtm_protocol != PROTOCOL || found[RTA_DST] == NULL) continue;
      uint32_t destination;
      memcpy(&destination, RTA_DATA(found[RTA_DST]), sizeof destination);
      *sum += destination;
      count++;
    }
  }
}

int main(int argc, char **argv) {
  struct in_addr gateway;
  if (argc != 5 || inet_pton(AF_INET, argv[3], &gateway) != 1) {
    fprintf(stderr, "usage: routes add|del|dump DEVICE GATEWAY COUNT\n");
    return 2;
  }
  uint32_t device = if_nametoindex(argv[2]);
  if (device == 0) fail(argv[2]);
  unsigned count = parse_count(argv[4]), seen = count;
  uint32_t sum = 0;
  int fd = netlink_open();
  int64_t start = now_us();
  if (strcmp(argv[1], "add") == 0) change(fd, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, device, gateway, count);
  else if (strcmp(argv[1], "del") == 0) change(fd, RTM_DELROUTE, 0, device, gateway, count);
  else seen = walk(fd, &sum);
  int64_t spent = now_us() - start;
  if (seen != count) {
    fprintf(stderr, "%u routes, not %u (%x)\n", seen, count, sum);
    return 1;
  }
  printf("%lld\n", (long long)spent);
  return 0;
}
