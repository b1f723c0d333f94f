#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"

/* How long a connection may wait in the queue of an agent that is busy. */
enum { CONNECT_LIMIT_S = 5 };

static bool fail(struct failure *failure, const char *what, const char *which, int error) {
  snprintf(failure->text, sizeof failure->text, "%s %s: %s", what, which, strerror(error));
  return false;
}

static bool fail_text(struct failure *failure, const char *text) {
  snprintf(failure->text, sizeof failure->text, "%s", text);
  return false;
}

/* Who listens gets a descriptor of a pod's namespace: it must be root, or whoever runs us. */
static bool is_trusted(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

bool agent_connect(const char *path, int *connection, struct failure *failure) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval limit = {.tv_sec = CONNECT_LIMIT_S};
  size_t length = strlen(path);
  if (length >= sizeof address.sun_path) return fail(failure, "connect", path, ENAMETOOLONG);
  memcpy(address.sun_path, path, length + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(failure, "connect", path, errno);
  int error = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
      connect(fd, (struct sockaddr *)&address, sizeof address) != 0 || !set_nonblocking(fd)) {
    error = errno;
  } else if (!is_trusted(fd)) {
    error = EACCES;
  }
  if (error != 0) {
    close(fd);
    return fail(failure, "connect", path, error);
  }
  *connection = fd;
  return true;
}

/* One sendmsg, with a descriptor when there is one. */
static ssize_t send_piece(int connection, const uint8_t *data, size_t size, int descriptor) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  if (descriptor >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  return sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool send_all(int connection, const uint8_t *data, size_t size, int descriptor, int64_t deadline,
                     struct failure *failure) {
  while (size > 0) {
    ssize_t sent = send_piece(connection, data, size, descriptor);
    if (sent > 0) {
      descriptor = -1;
      data += sent;
      size -= (size_t)sent;
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      int error = wait_for(connection, POLLOUT, deadline);
      if (error != 0) return fail(failure, "send", "to the agent", error);
    } else if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      return true;
    } else if (sent < 0 && errno != EINTR) {
      return fail(failure, "send", "to the agent", errno);
    }
  }
  return true;
}

bool agent_send(int connection, enum frame_type type, const struct buffer *payload, int descriptor, int64_t deadline,
                struct failure *failure) {
  uint8_t header[HEADER_SIZE];
  store_u32(header, PROTOCOL_MAGIC);
  store_u16(header + 4, PROTOCOL_VERSION);
  store_u16(header + 6, (uint16_t)type);
  store_u32(header + 8, (uint32_t)payload->size);
  return send_all(connection, header, sizeof header, descriptor, deadline, failure) &&
         send_all(connection, payload->data, payload->size, -1, deadline, failure);
}

static bool receive_exactly(int connection, struct buffer *into, size_t size, int64_t deadline,
                            struct failure *failure) {
  while (size > 0) {
    size_t room = buffer_room(into, size);
    if (room == 0) return fail(failure, "receive", "from the agent", ENOMEM);
    ssize_t received = recv(connection, into->data + into->size, room, MSG_DONTWAIT);
    if (received > 0) {
      into->size += (size_t)received;
      size -= (size_t)received;
    } else if (received == 0) {
      return fail_text(failure, "the agent closed the connection before it answered");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      int error = wait_for(connection, POLLIN, deadline);
      if (error == ETIMEDOUT) return fail_text(failure, "the agent did not answer in time");
      if (error != 0) return fail(failure, "receive", "from the agent", error);
    } else if (errno != EINTR) {
      return fail(failure, "receive", "from the agent", errno);
    }
  }
  return true;
}

bool agent_receive(int connection, struct frame *frame, int64_t deadline, struct failure *failure) {
  struct buffer header = {.limit = HEADER_SIZE};
  frame->payload = (struct buffer){.limit = MAX_PAYLOAD};
  bool received = receive_exactly(connection, &header, HEADER_SIZE, deadline, failure);
  uint32_t magic = 0, length = 0;
  unsigned version = 0, type = 0;
  if (received) {
    magic = load_u32(header.data);
    version = load_u16(header.data + 4);
    type = load_u16(header.data + 6);
    length = load_u32(header.data + 8);
  }
  buffer_free(&header);
  if (!received) return false;
  if (magic != PROTOCOL_MAGIC) return fail_text(failure, "what answers on the socket is not the agent");
  if (version != PROTOCOL_VERSION) {
    snprintf(failure->text, sizeof failure->text,
             "the agent speaks version %u of the protocol and this plugin version %d; one of them is being replaced",
             version, PROTOCOL_VERSION);
    return false;
  }
  if (length > MAX_PAYLOAD || (type != FRAME_RESULT && type != FRAME_DELEGATE)) {
    return fail_text(failure, "the answer of the agent is damaged");
  }
  frame->type = (enum frame_type)type;
  if (receive_exactly(connection, &frame->payload, length, deadline, failure)) return true;
  buffer_free(&frame->payload);
  return false;
}

bool field_next(const struct buffer *payload, size_t *offset, struct field *field, bool *damaged) {
  size_t left = payload->size - *offset;
  *damaged = false;
  if (left == 0) return false;
  *damaged = true;
  if (left < FIELD_HEADER_SIZE) return false;
  const uint8_t *at = payload->data + *offset;
  *field = (struct field){.tag = load_u16(at), .data = at + FIELD_HEADER_SIZE, .size = load_u32(at + 2)};
  if (field->size > left - FIELD_HEADER_SIZE) return false;
  *offset += FIELD_HEADER_SIZE + field->size;
  *damaged = false;
  return true;
}
