#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

int netlink_open(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  int one = 1, size = 4 << 20;
  /* Answers without a copy of the request; what the kernel refuses here only costs time. */
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  return fd;
}

void batch_clear(struct batch *batch) {
  batch->length = 0;
  batch->last = 0;
}

static void reserve(const struct batch *batch, size_t more) {
  if (batch->length + more > sizeof batch->data) {
    errno = ENOBUFS;
    fail("batch");
  }
}

static struct nlmsghdr *last_message(struct batch *batch) {
  return (struct nlmsghdr *)(void *)(batch->data + batch->last);
}

void batch_append(struct batch *batch, const void *value, size_t size) {
  size_t padded = NLMSG_ALIGN(size);
  reserve(batch, padded);
  memcpy(batch->data + batch->length, value, size);
  memset(batch->data + batch->length + size, 0, padded - size);
  batch->length += padded;
  last_message(batch)->nlmsg_len = (uint32_t)(batch->length - batch->last);
}

void batch_message(struct batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size) {
  struct nlmsghdr message = {
      .nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST), .nlmsg_seq = ++batch->sequence};
  batch->last = batch->length;
  reserve(batch, sizeof message);
  batch_append(batch, &message, sizeof message);
  batch_append(batch, header, size);
}

void batch_attribute(struct batch *batch, uint16_t type, const void *value, size_t size) {
  struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
  batch_append(batch, &attribute, sizeof attribute);
  batch_append(batch, value, size);
}

void batch_text(struct batch *batch, uint16_t type, const char *text) {
  batch_attribute(batch, type, text, strlen(text) + 1);
}

void batch_u32(struct batch *batch, uint16_t type, uint32_t value) {
  batch_attribute(batch, type, &value, sizeof value);
}

size_t batch_open(struct batch *batch, uint16_t type) {
  size_t at = batch->length;
  batch_attribute(batch, type, NULL, 0);
  return at;
}

void batch_close(struct batch *batch, size_t at) {
  struct rtattr *attribute = (struct rtattr *)(void *)(batch->data + at);
  attribute->rta_len = (uint16_t)(batch->length - at);
}

int netlink_exchange(int fd, struct batch *batch) {
  last_message(batch)->nlmsg_flags |= NLM_F_ACK;
  if (send(fd, batch->data, batch->length, 0) < 0) return errno;
  int refused = 0;
  while (1) {
    static _Alignas(NLMSG_ALIGNTO) uint8_t answer[64 * 1024];
    ssize_t size = recv(fd, answer, sizeof answer, 0);
    if (size < 0) return errno;
    size_t left = (size_t)size;
    for (struct nlmsghdr *message = (void *)answer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      const struct nlmsgerr *error = NLMSG_DATA(message);
      if (error->error != 0 && refused == 0) refused = -error->error;
      if (message->nlmsg_seq == batch->sequence) return refused;
    }
  }
}
