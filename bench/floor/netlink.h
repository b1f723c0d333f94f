/* Just enough rtnetlink: messages one after the other in one buffer, sent in one call, answered at the last one. */
#ifndef BENCH_NETLINK_H
#define BENCH_NETLINK_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct batch {
  _Alignas(NLMSG_ALIGNTO) uint8_t data[256 * 1024];
  size_t length;
  size_t last;       /* offset of the message written last */
  uint32_t sequence; /* of the message written last */
};

/* An rtnetlink socket in the network namespace of the calling thread. */
int netlink_open(void);

void batch_clear(struct batch *batch);
/* Starts a message with its fixed structure; attributes that follow belong to it. */
void batch_message(struct batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size);
void batch_attribute(struct batch *batch, uint16_t type, const void *value, size_t size);
void batch_text(struct batch *batch, uint16_t type, const char *text);
void batch_u32(struct batch *batch, uint16_t type, uint32_t value);
/* Starts an attribute that holds attributes (or a structure and attributes); give the offset to batch_close. */
size_t batch_open(struct batch *batch, uint16_t type);
void batch_append(struct batch *batch, const void *value, size_t size);
void batch_close(struct batch *batch, size_t at);

/* Sends everything in one call and waits for the answer to the last message. 0, or the errno of the first refusal. */
int netlink_exchange(int fd, struct batch *batch);

#endif
