/* One request and its answer on a netlink socket; no JavaScript here, it may run on any thread. */
#ifndef ADDON_NETLINK_EXCHANGE_H
#define ADDON_NETLINK_EXCHANGE_H

#include "netlink-message.h"

struct channel {
  int fd;
  int protocol;
  uint32_t port_id;
  size_t chunk_messages; /* messages per send whose answers fit in the receive buffer */
  int send_limit;        /* bytes that one send may have */
  bool stale;            /* an earlier exchange ended before its answer: read that away first */
  bool overrun;          /* ENOBUFS was seen in this exchange */
  uint8_t *answer;       /* what was received */
  size_t length, capacity;
};

/* 0 with the answer in the channel, or a positive errno and the name of what failed. */
int channel_exchange(struct channel *channel, const uint8_t *data, size_t size, const struct batch *batch,
                     int timeout_ms, const char **failed);

/*
 * Appends one datagram of the kernel. 1: received, 0: nothing there; ENOBUFS sets `overrun` and is 1 with nothing
 * appended; otherwise a negative errno.
 */
int channel_receive(struct channel *channel);

/* Forgets the answer and gives memory back when it was a large one. */
void channel_clear(struct channel *channel);
void channel_free(struct channel *channel);

#endif
