/*
 * What a test cannot do from Node: be an awkward peer.
 *
 *   peer descriptors PATH COUNT    connects and sends "x" with COUNT descriptors of /dev/null, then waits for the end
 *   peer two PATH                  sends two messages of one descriptor each, at once
 *   peer forge PORT COUNT          sends COUNT netlink messages to the netlink port PORT of this namespace
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 253 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
  return fd;
}

static void send_descriptors(int fd, int count) {
  static char control[CMSG_SPACE(MOST * sizeof(int))];
  int null = open("/dev/null", O_RDONLY);
  struct iovec data = {.iov_base = "x", .iov_len = 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (int i = 0; i < count; i++) memcpy(CMSG_DATA(part) + i * sizeof null, &null, sizeof null);
  }
  if (sendmsg(fd, &message, 0) != 1) die("sendmsg");
}

static void forge(unsigned port, int count) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_pid = port};
  struct nlmsghdr message = {.nlmsg_len = sizeof message, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = 77, .nlmsg_pid = port};
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (fd < 0) die("socket");
  for (int i = 0; i < count; i++) {
    if (sendto(fd, &message, sizeof message, 0, (struct sockaddr *)&address, sizeof address) < 0) die("sendto");
  }
}

int main(int argc, char **argv) {
  char byte;
  if (argc < 3) return 2;
  if (strcmp(argv[1], "forge") == 0) {
    forge((unsigned)strtoul(argv[2], NULL, 10), atoi(argv[3]));
    return 0;
  }
  int fd = connect_to(argv[2]);
  int two = strcmp(argv[1], "two") == 0;
  send_descriptors(fd, two ? 1 : atoi(argv[3]));
  if (two) send_descriptors(fd, 1);
  while (read(fd, &byte, 1) > 0) continue;
  return 0;
}
