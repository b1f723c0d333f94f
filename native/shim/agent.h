/* The connection to the agent: frames in and out, with deadlines. */
#ifndef SHIM_AGENT_H
#define SHIM_AGENT_H

#include "buffer.h"
#include "protocol.h"

struct frame {
  enum frame_type type;
  struct buffer payload;
};

struct field {
  uint16_t tag;
  const uint8_t *data;
  uint32_t size;
};

/* A failure in words: "connect /run/x.sock: Connection refused". */
struct failure {
  char text[256];
};

/* Both return false with `failure` filled. `connection` is a descriptor. */
bool agent_connect(const char *path, int *connection, struct failure *failure);
bool agent_receive(int connection, struct frame *frame, int64_t deadline, struct failure *failure);
/*
 * Sends a frame; `descriptor` (-1: none) goes with its first byte. A peer that hung up is no failure here: it may have
 * answered before, and reading tells.
 */
bool agent_send(int connection, enum frame_type type, const struct buffer *payload, int descriptor, int64_t deadline,
                struct failure *failure);

/* The next field at `offset`; false at the end and when the payload is damaged, which `*damaged` tells apart. */
bool field_next(const struct buffer *payload, size_t *offset, struct field *field, bool *damaged);

#endif
