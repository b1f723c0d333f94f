/* Walking netlink messages in memory. Every length is checked against the bytes that are there. */
#ifndef ADDON_NETLINK_MESSAGE_H
#define ADDON_NETLINK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
  uint32_t length;
  uint16_t type;
  uint16_t flags;
  uint32_t sequence;
  uint32_t port_id;
};

/* How the answer to a batch ends. */
enum batch_end {
  END_BY_ANSWER, /* an acknowledgement, error or end of dump for the last message */
  END_BY_SILENCE /* an nf_tables batch: every answer is queued when send returns, the last message has none of its own */
};

struct batch {
  enum batch_end end;
  uint32_t last_sequence;
  uint64_t writes; /* messages that change something */
};

/* Reads the header at `offset` and moves `offset` behind the message; false at the end or when no whole message fits. */
bool message_next(const uint8_t *data, size_t size, size_t *offset, struct message *message);

/* Checks a batch. NULL, or why it cannot be sent. */
const char *batch_check(const uint8_t *data, size_t size, int protocol, struct batch *batch);

/* End of the chunk that begins at `offset` and has at most `count` messages. */
size_t batch_chunk(const uint8_t *data, size_t size, size_t offset, size_t count);

#endif
