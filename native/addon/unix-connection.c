/*
 * An accepted connection. Reading takes at most MAX_DESCRIPTORS descriptors with one piece of data: when more come (or
 * the process has no room) the kernel drops the rest and says so, and then those that did arrive are closed here, so
 * that no peer can fill our table. Writing is a queue with a limit; what the kernel takes at once never enters it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unix.h"
#include "uv.h"

enum {
  READ_SIZE = 64 * 1024,
  READS_PER_TURN = 4,
  MAX_DESCRIPTORS = 4,
  MAX_QUEUED = 16 * 1024 * 1024
};

struct piece {
  struct piece *next;
  napi_deferred deferred;
  size_t size, sent;
  uint8_t data[];
};

struct connection {
  struct handle handle;
  bool started; /* read was called */
  bool reading; /* and the stream has not ended */
  struct piece *pieces, **last_piece;
  size_t queued;
};

/* --------------------------------------------------------------------------------------------------- write */

/* 0 when all is sent, EAGAIN when the kernel has no room, or another errno. */
static int send_rest(int fd, const uint8_t *data, size_t size, size_t *sent) {
  while (*sent < size) {
    ssize_t count = send(fd, data + *sent, size - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      *sent += (size_t)count;
    } else if (errno != EINTR) {
      return errno == EWOULDBLOCK ? EAGAIN : errno;
    }
  }
  return 0;
}

static void settle(napi_env env, napi_deferred deferred, int error) {
  napi_value value;
  if (error == 0) {
    if (napi_get_undefined(env, &value) == napi_ok) napi_resolve_deferred(env, deferred, value);
  } else {
    value = errno_error(env, error, "send");
    if (value != NULL) napi_reject_deferred(env, deferred, value);
  }
}

static void settle_first(struct connection *connection, int error) {
  struct piece *piece = connection->pieces;
  connection->pieces = piece->next;
  if (piece->next == NULL) connection->last_piece = &connection->pieces;
  connection->queued -= piece->size;
  settle(connection->handle.env, piece->deferred, error);
  free(piece);
}

static void fail_pieces(struct connection *connection, int error) {
  napi_handle_scope scope;
  bool scoped = napi_open_handle_scope(connection->handle.env, &scope) == napi_ok;
  while (connection->pieces != NULL) settle_first(connection, error);
  if (scoped) napi_close_handle_scope(connection->handle.env, scope);
}

static int watch(struct connection *connection) {
  int events = (connection->reading ? UV_READABLE : 0) | (connection->pieces != NULL ? UV_WRITABLE : 0);
  return handle_watch(&connection->handle, events);
}

static void write_pieces(struct connection *connection) {
  while (connection->pieces != NULL) {
    struct piece *piece = connection->pieces;
    int error = send_rest(connection->handle.fd, piece->data, piece->size, &piece->sent);
    if (error == EAGAIN) return;
    if (error != 0) {
      fail_pieces(connection, error);
      return;
    }
    settle_first(connection, 0);
  }
}

/* ---------------------------------------------------------------------------------------------------- read */

struct reception {
  ssize_t size; /* as of recvmsg; 0 at the end of the stream */
  bool truncated;
  int fds[MAX_DESCRIPTORS];
  uint32_t fd_count;
};

static void close_received(struct reception *reception) {
  for (uint32_t i = 0; i < reception->fd_count; i++) close(reception->fds[i]);
  reception->fd_count = 0;
}

/* Descriptors are collected first, so that every one is either handed over or closed. */
static void take_descriptors(struct msghdr *header, struct reception *reception) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len < CMSG_LEN(0)) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      if (reception->fd_count < MAX_DESCRIPTORS) {
        reception->fds[reception->fd_count++] = fd;
      } else {
        close(fd);
        reception->truncated = true;
      }
    }
  }
}

static void receive(int fd, uint8_t *buffer, struct reception *reception) {
  union {
    struct cmsghdr header; /* for its alignment */
    char space[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
  } control;
  struct iovec data = {.iov_base = buffer, .iov_len = READ_SIZE};
  struct msghdr header = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  *reception = (struct reception){0};
  do {
    reception->size = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (reception->size < 0 && errno == EINTR);
  if (reception->size < 0) return;
  reception->truncated = (header.msg_flags & MSG_CTRUNC) != 0;
  take_descriptors(&header, reception);
  if (reception->truncated) close_received(reception);
}

static bool make_descriptors(napi_env env, const struct reception *reception, napi_value *list) {
  if (napi_create_array_with_length(env, reception->fd_count, list) != napi_ok) return false;
  for (uint32_t i = 0; i < reception->fd_count; i++) {
    napi_value number;
    if (napi_create_int32(env, reception->fds[i], &number) != napi_ok ||
        napi_set_element(env, *list, i, number) != napi_ok) {
      return false;
    }
  }
  return true;
}

static void deliver(struct connection *connection, const uint8_t *buffer, struct reception *reception) {
  napi_env env = connection->handle.env;
  napi_value values[3];
  if (!make_uint8_array(env, buffer, (size_t)reception->size, &values[0]) ||
      !make_descriptors(env, reception, &values[1]) ||
      napi_get_boolean(env, reception->truncated, &values[2]) != napi_ok) {
    close_received(reception);
    handle_close(&connection->handle);
    return;
  }
  handle_call(&connection->handle, 3, values);
}

static void read_some(struct connection *connection) {
  uint8_t buffer[READ_SIZE];
  struct reception reception;
  for (int count = 0; count < READS_PER_TURN && connection->reading && !connection->handle.closed; count++) {
    receive(connection->handle.fd, buffer, &reception);
    if (reception.size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (reception.size <= 0) {
      reception.size = 0; /* a connection that was reset has ended as well */
      connection->reading = false;
    }
    deliver(connection, buffer, &reception);
  }
  if (!connection->reading) handle_drop_callback(&connection->handle);
}

/* ------------------------------------------------------------------------------------------------ lifetime */

static void on_ready(struct handle *handle, int events) {
  struct connection *connection = (struct connection *)handle;
  if ((events & UV_WRITABLE) != 0 && connection->pieces != NULL) write_pieces(connection);
  if ((events & UV_READABLE) != 0 && connection->reading) read_some(connection);
  if (!handle->closed && watch(connection) != 0) handle_close(handle);
}

static void on_closing(struct handle *handle) { fail_pieces((struct connection *)handle, ECANCELED); }

static void on_freed(struct handle *handle) { free(handle); }

static const struct handle_kind connection_kind = {
    .tag = {0x756e6978636f6e01u, 0x5e0c9b7d12f84a36u},
    .name = "this method belongs to a unix connection",
    .ready = on_ready,
    .closing = on_closing,
    .freed = on_freed,
};

static napi_value read_method(napi_env env, napi_callback_info info) {
  napi_value self, callback;
  if (!read_arguments(env, info, 1, &self, &callback)) return NULL;
  struct connection *connection = (struct connection *)handle_of(env, self, &connection_kind);
  if (connection == NULL || !read_function(env, callback, "read needs a callback")) return NULL;
  struct handle *handle = &connection->handle;
  if (handle->closed) return throw_errno(env, EBADF, "read");
  if (connection->started) return throw_errno(env, EBUSY, "read");
  if (!handle_set_callback(handle, callback)) return NULL;
  connection->started = connection->reading = true;
  int error = watch(connection);
  if (error != 0) {
    handle_close(handle);
    return throw_errno(env, error, "uv_poll");
  }
  return NULL;
}

/* Sends what the kernel takes and queues the rest. 0, or an errno. */
static int begin_write(struct connection *connection, const struct bytes *bytes, napi_deferred deferred, bool *queued) {
  size_t sent = 0;
  *queued = false;
  if (connection->handle.closed) return EBADF;
  if (connection->pieces == NULL) {
    int error = send_rest(connection->handle.fd, bytes->data, bytes->size, &sent);
    if (error != EAGAIN) return error;
  }
  size_t left = bytes->size - sent;
  if (left > MAX_QUEUED - connection->queued) return ENOBUFS;
  struct piece *piece = malloc(sizeof *piece + left);
  if (piece == NULL) return ENOMEM;
  *piece = (struct piece){.deferred = deferred, .size = left};
  if (left > 0) memcpy(piece->data, bytes->data + sent, left);
  *connection->last_piece = piece;
  connection->last_piece = &piece->next;
  connection->queued += left;
  *queued = true;
  if (watch(connection) != 0) handle_close(&connection->handle); /* settles the piece */
  return 0;
}

static napi_value write_method(napi_env env, napi_callback_info info) {
  napi_value self, data, promise;
  napi_deferred deferred;
  struct bytes bytes;
  bool queued;
  if (!read_arguments(env, info, 1, &self, &data)) return NULL;
  struct connection *connection = (struct connection *)handle_of(env, self, &connection_kind);
  if (connection == NULL || !read_bytes(env, data, &bytes) ||
      napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return NULL;
  }
  int error = begin_write(connection, &bytes, deferred, &queued);
  if (!queued) settle(env, deferred, error);
  return promise;
}

static bool make_credentials(napi_env env, int fd, napi_value *result) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  napi_value pid, uid, gid;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && length == sizeof peer &&
         napi_create_object(env, result) == napi_ok && napi_create_int32(env, peer.pid, &pid) == napi_ok &&
         napi_create_uint32(env, peer.uid, &uid) == napi_ok && napi_create_uint32(env, peer.gid, &gid) == napi_ok &&
         napi_set_named_property(env, *result, "pid", pid) == napi_ok &&
         napi_set_named_property(env, *result, "uid", uid) == napi_ok &&
         napi_set_named_property(env, *result, "gid", gid) == napi_ok;
}

napi_value make_unix_connection(napi_env env, int fd) {
  napi_value credentials;
  struct connection *connection = NULL;
  if (!make_credentials(env, fd, &credentials) || (connection = calloc(1, sizeof *connection)) == NULL) {
    close(fd);
    return NULL;
  }
  connection->last_piece = &connection->pieces;
  napi_value object = handle_create(env, &connection->handle, &connection_kind, fd);
  if (object == NULL || napi_set_named_property(env, object, "credentials", credentials) != napi_ok ||
      !set_method(env, object, "read", read_method) || !set_method(env, object, "write", write_method)) {
    return NULL;
  }
  return object;
}
