/*
 * The kernel handles a request inside send(): for everything but dumps the answers are in the receive queue when send
 * returns, and a dump goes on with each receive. So the loop receives without waiting and polls only for the rare
 * answer that comes later.
 *
 * A queue that overflows loses messages, also the one we wait for. Large batches are therefore sent in chunks whose
 * answers fit, except nf_tables batches, which the kernel must get in one piece. After an overrun, an empty queue ends
 * the exchange and the caller is told.
 */
#include "netlink-exchange.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum {
  RECEIVE_SPACE = 256 * 1024,     /* at least this much free for one datagram; the kernel's dumps use up to 32 KiB */
  KEPT_CAPACITY = 1024 * 1024,    /* larger buffers are given back after use */
  SEND_OVERHEAD = 32              /* the kernel refuses len > sndbuf - 32 */
};
static const size_t MAX_ANSWER = (size_t)1 << 30;

void channel_clear(struct channel *channel) {
  channel->length = 0;
  channel->overrun = false;
  if (channel->capacity > KEPT_CAPACITY) channel_free(channel);
}

void channel_free(struct channel *channel) {
  free(channel->answer);
  channel->answer = NULL;
  channel->capacity = channel->length = 0;
}

static int make_room(struct channel *channel) {
  if (channel->capacity - channel->length >= RECEIVE_SPACE) return 0;
  size_t capacity = channel->capacity * 2 + RECEIVE_SPACE;
  if (capacity > MAX_ANSWER) return -EMSGSIZE;
  uint8_t *grown = realloc(channel->answer, capacity);
  if (grown == NULL) return -ENOMEM;
  channel->answer = grown;
  channel->capacity = capacity;
  return 0;
}

int channel_receive(struct channel *channel) {
  struct sockaddr_nl sender;
  int error = make_room(channel);
  if (error != 0) return error;
  struct iovec space = {.iov_base = channel->answer + channel->length, .iov_len = channel->capacity - channel->length};
  struct msghdr header = {.msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &space, .msg_iovlen = 1};
  ssize_t size;
  do {
    size = recvmsg(channel->fd, &header, MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (size < 0 && errno == ENOBUFS) {
    channel->overrun = true;
    return 1;
  }
  if (size < 0) return -errno;
  if ((header.msg_flags & MSG_TRUNC) != 0) return -EMSGSIZE;
  /* Any process may send to a netlink port; only the kernel has port 0. */
  if (header.msg_namelen == sizeof sender && sender.nl_pid == 0) channel->length += (size_t)size;
  return 1;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Looks through what arrived since `*seen` for the message that ends the exchange. */
static bool has_ended(const struct channel *channel, size_t *seen, uint32_t sequence) {
  struct message message;
  while (message_next(channel->answer, channel->length, seen, &message)) {
    if (message.sequence == sequence && message.port_id == channel->port_id &&
        (message.type == NLMSG_ERROR || message.type == NLMSG_DONE)) {
      return true;
    }
  }
  *seen = channel->length; /* bytes that are no message cannot hold up those of the next datagram */
  return false;
}

/* Receives until the queue is empty. 0 or a negative errno. */
static int drain(struct channel *channel) {
  int received;
  while ((received = channel_receive(channel)) > 0) continue;
  return received;
}

static int send_piece(struct channel *channel, const uint8_t *data, size_t size) {
  if (size > (size_t)channel->send_limit - SEND_OVERHEAD) {
    int wanted = (int)size + SEND_OVERHEAD; /* the kernel doubles it */
    if (setsockopt(channel->fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) == 0) channel->send_limit = wanted;
  }
  ssize_t sent;
  do {
    sent = send(channel->fd, data, size, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

static int wait_readable(int fd, int64_t deadline) {
  while (true) {
    int64_t left = deadline - now_ms();
    if (left <= 0) return ETIMEDOUT;
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int ready = poll(&entry, 1, (int)left);
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

static int collect(struct channel *channel, const struct batch *batch, int timeout_ms) {
  size_t seen = 0;
  int64_t deadline = 0;
  while (true) {
    int received = channel_receive(channel);
    if (received < 0) return -received;
    if (received > 0) {
      if (batch->end == END_BY_ANSWER && has_ended(channel, &seen, batch->last_sequence)) return 0;
      continue;
    }
    if (batch->end == END_BY_SILENCE) return 0;
    if (channel->overrun) {
      channel->stale = true;
      return 0;
    }
    if (deadline == 0) deadline = now_ms() + timeout_ms;
    int error = wait_readable(channel->fd, deadline);
    if (error != 0) return error;
  }
}

int channel_exchange(struct channel *channel, const uint8_t *data, size_t size, const struct batch *batch,
                     int timeout_ms, const char **failed) {
  int error = 0;
  *failed = "recvmsg";
  if (channel->stale) error = -drain(channel);
  channel_clear(channel);
  channel->stale = true;
  size_t limit = batch->end == END_BY_SILENCE ? SIZE_MAX : channel->chunk_messages;
  for (size_t offset = 0; error == 0 && offset < size;) {
    size_t end = limit == SIZE_MAX ? size : batch_chunk(data, size, offset, limit);
    if (end <= offset) end = size;
    error = send_piece(channel, data + offset, end - offset);
    if (error != 0) *failed = "send";
    offset = end;
    if (error == 0 && offset < size) error = -drain(channel);
  }
  if (error == 0) {
    channel->stale = false;
    error = collect(channel, batch, timeout_ms);
    if (error != 0) channel->stale = true;
  }
  return error;
}
