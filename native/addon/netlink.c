/*
 * A netlink socket is used in one of two ways: for requests (transact, transactAsync: one exchange at a time, in
 * order) or, after listen, as a monitor on the event loop. Requests of one socket never run on two threads at once:
 * while jobs are queued the thread pool owns the channel, and transact is refused.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "namespace.h"
#include "netlink-exchange.h"
#include "uv.h"

enum {
  MAX_PROTOCOL = 31,
  MAX_GROUPS = 64,
  MAX_GROUP = 65535,
  DEFAULT_RECEIVE_BUFFER = 4 * 1024 * 1024,
  MAX_RECEIVE_BUFFER = 1 << 29, /* the kernel doubles it into an int */
  MAX_BATCH = 64 * 1024 * 1024,
  ANSWER_COST = 2048,           /* what one acknowledgement takes of a receive buffer, generously */
  INLINE_TIMEOUT_MS = 2000,
  ASYNC_TIMEOUT_MS = 60000,
  DATAGRAMS_PER_TURN = 64       /* then the event loop breathes */
};

struct options {
  int protocol, netns_fd, receive_buffer;
  uint32_t group_count;
  int groups[MAX_GROUPS];
};

struct job {
  struct job *next;
  struct netlink *socket;
  napi_async_work work;
  napi_deferred deferred;
  struct batch batch;
  int error;
  const char *failed;
  size_t size;
  uint8_t data[];
};

struct netlink {
  struct handle handle;
  struct channel channel;
  bool monitor;          /* has groups or listens: no requests */
  struct job *jobs, **last_job; /* the first one is running */
};

static atomic_uint_fast64_t writes_sent;

uint64_t netlink_writes(void) { return atomic_load_explicit(&writes_sent, memory_order_relaxed); }

static bool start_job(struct netlink *socket);

static void on_closing(struct handle *handle) {
  struct netlink *socket = (struct netlink *)handle;
  handle->keep_fd = socket->jobs != NULL;
}

static void on_freed(struct handle *handle) {
  struct netlink *socket = (struct netlink *)handle;
  channel_free(&socket->channel);
  free(socket);
}

static void on_ready(struct handle *handle, int events) {
  struct netlink *socket = (struct netlink *)handle;
  struct channel *channel = &socket->channel;
  napi_value values[2];
  (void)events;
  channel_clear(channel);
  /*
   * After an overrun the kernel drops everything, without saying so again, until the queue was empty once. It is emptied
   * before the loss is told, so that state read afterwards misses nothing.
   */
  for (int count = 0; count < DATAGRAMS_PER_TURN || channel->overrun; count++) {
    int received = channel_receive(channel);
    if (received == 0) break;
    if (received > 0) continue;
    channel->overrun = true; /* a datagram that cannot be received is lost as well */
    break;
  }
  if (channel->length == 0 && !channel->overrun) return;
  if (!make_uint8_array(handle->env, channel->answer, channel->length, &values[0]) ||
      napi_get_boolean(handle->env, channel->overrun, &values[1]) != napi_ok) {
    return;
  }
  handle_call(handle, 2, values);
}

static const struct handle_kind netlink_kind = {
    .tag = {0x6e65746c696e6b01u, 0x8d1f5c0a4be24d77u},
    .name = "this method belongs to a netlink socket",
    .ready = on_ready,
    .closing = on_closing,
    .freed = on_freed,
};

/* ------------------------------------------------------------------------------------------------ requests */

static napi_value make_reply(napi_env env, const struct channel *channel) {
  napi_value reply, data, overrun;
  if (!make_uint8_array(env, channel->answer, channel->length, &data) ||
      napi_get_boolean(env, channel->overrun, &overrun) != napi_ok || napi_create_object(env, &reply) != napi_ok ||
      napi_set_named_property(env, reply, "data", data) != napi_ok ||
      napi_set_named_property(env, reply, "overrun", overrun) != napi_ok) {
    return NULL;
  }
  return reply;
}

/* The socket and the batch of transact and transactAsync, checked. NULL with an exception pending. */
static struct netlink *read_request(napi_env env, napi_callback_info info, struct bytes *bytes, struct batch *batch) {
  napi_value self, data;
  if (!read_arguments(env, info, 1, &self, &data)) return NULL;
  struct netlink *socket = (struct netlink *)handle_of(env, self, &netlink_kind);
  if (socket == NULL || !read_bytes(env, data, bytes)) return NULL;
  const char *wrong = bytes->size > MAX_BATCH ? "a batch has at most 64 MiB"
                                              : batch_check(bytes->data, bytes->size, socket->channel.protocol, batch);
  if (wrong == NULL && socket->monitor) wrong = "a socket with groups or a listener takes no requests";
  if (wrong != NULL) {
    fail(env, wrong);
    return NULL;
  }
  if (socket->handle.closed) {
    throw_errno(env, EBADF, "transact");
    return NULL;
  }
  return socket;
}

static int exchange(struct netlink *socket, const uint8_t *data, size_t size, const struct batch *batch,
                    int timeout_ms, const char **failed) {
  atomic_fetch_add_explicit(&writes_sent, batch->writes, memory_order_relaxed);
  return channel_exchange(&socket->channel, data, size, batch, timeout_ms, failed);
}

static napi_value transact(napi_env env, napi_callback_info info) {
  struct bytes bytes;
  struct batch batch;
  const char *failed;
  struct netlink *socket = read_request(env, info, &bytes, &batch);
  if (socket == NULL) return NULL;
  if (socket->jobs != NULL) return throw_errno(env, EBUSY, "transact");
  int error = exchange(socket, bytes.data, bytes.size, &batch, INLINE_TIMEOUT_MS, &failed);
  if (error != 0) return throw_errno(env, error, failed);
  return make_reply(env, &socket->channel);
}

static void run_job(napi_env env, void *data) {
  struct job *job = data;
  (void)env;
  job->error = exchange(job->socket, job->data, job->size, &job->batch, ASYNC_TIMEOUT_MS, &job->failed);
}

static void settle_job(napi_env env, struct job *job) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value value = job->error == 0 ? make_reply(env, &job->socket->channel) : errno_error(env, job->error, job->failed);
  if (value != NULL && job->error == 0) {
    napi_resolve_deferred(env, job->deferred, value);
  } else if (value != NULL) {
    napi_reject_deferred(env, job->deferred, value);
  }
  napi_close_handle_scope(env, scope);
}

static void end_job(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  struct netlink *socket = job->socket;
  if (status != napi_ok) { /* cancelled: it did not run */
    job->error = ECANCELED;
    job->failed = "transact";
  }
  settle_job(env, job);
  napi_delete_async_work(env, job->work);
  socket->jobs = job->next;
  free(job);
  while (socket->jobs != NULL && !start_job(socket)) { /* the environment is ending */
    struct job *dropped = socket->jobs;
    dropped->error = ECANCELED;
    dropped->failed = "transact";
    settle_job(env, dropped);
    socket->jobs = dropped->next;
    free(dropped);
  }
  if (socket->jobs == NULL) {
    socket->last_job = &socket->jobs;
    if (socket->handle.closed && socket->handle.fd >= 0) {
      close(socket->handle.fd);
      socket->handle.fd = -1;
    }
  }
  handle_release(&socket->handle);
}

/* Hands the first job to the thread pool. */
static bool start_job(struct netlink *socket) {
  struct job *job = socket->jobs;
  napi_env env = socket->handle.env;
  napi_handle_scope scope;
  napi_value name;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  bool created = napi_create_string_utf8(env, "netlink", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                 napi_create_async_work(env, NULL, name, run_job, end_job, job, &job->work) == napi_ok;
  bool queued = created && napi_queue_async_work(env, job->work) == napi_ok;
  if (created && !queued) napi_delete_async_work(env, job->work);
  if (queued) handle_reference(&socket->handle);
  napi_close_handle_scope(env, scope);
  return queued;
}

static napi_value transact_async(napi_env env, napi_callback_info info) {
  struct bytes bytes;
  struct batch batch;
  napi_value promise;
  struct netlink *socket = read_request(env, info, &bytes, &batch);
  if (socket == NULL) return NULL;
  struct job *job = malloc(sizeof *job + bytes.size);
  if (job == NULL) return throw_errno(env, ENOMEM, "malloc");
  *job = (struct job){.socket = socket, .batch = batch, .size = bytes.size};
  memcpy(job->data, bytes.data, bytes.size);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) {
    free(job);
    return NULL;
  }
  bool idle = socket->jobs == NULL;
  *socket->last_job = job;
  socket->last_job = &job->next;
  if (idle && !start_job(socket)) {
    socket->jobs = NULL;
    socket->last_job = &socket->jobs;
    job->error = ECANCELED;
    job->failed = "transact";
    settle_job(env, job);
    free(job);
  }
  return promise;
}

/* ------------------------------------------------------------------------------------------------- monitor */

static napi_value listen_method(napi_env env, napi_callback_info info) {
  napi_value self, callback;
  if (!read_arguments(env, info, 1, &self, &callback)) return NULL;
  struct netlink *socket = (struct netlink *)handle_of(env, self, &netlink_kind);
  if (socket == NULL || !read_function(env, callback, "listen needs a callback")) return NULL;
  if (socket->handle.closed) return throw_errno(env, EBADF, "listen");
  if (socket->jobs != NULL || socket->handle.callback != NULL) return throw_errno(env, EBUSY, "listen");
  socket->monitor = true;
  if (!handle_set_callback(&socket->handle, callback)) return NULL;
  int error = handle_watch(&socket->handle, UV_READABLE);
  if (error != 0) {
    handle_close(&socket->handle);
    return throw_errno(env, error, "uv_poll");
  }
  return NULL;
}

/* ---------------------------------------------------------------------------------------------------- open */

static bool read_groups(napi_env env, napi_value list, struct options *options) {
  if (is_undefined(env, list)) return true;
  if (!read_array(env, list, MAX_GROUPS, "groups must be an array of at most 64 numbers", &options->group_count)) {
    return false;
  }
  for (uint32_t i = 0; i < options->group_count; i++) {
    napi_value element;
    int64_t group;
    if (napi_get_element(env, list, i, &element) != napi_ok ||
        !read_integer(env, element, 1, MAX_GROUP, "a group is a number from 1 to 65535", &group)) {
      return false;
    }
    options->groups[i] = (int)group;
  }
  return true;
}

static bool read_options(napi_env env, napi_value object, struct options *options) {
  napi_value protocol_value, netns_fd, groups, buffer_value;
  int64_t protocol, buffer = DEFAULT_RECEIVE_BUFFER;
  if (!read_property(env, object, "protocol", &protocol_value) || !read_property(env, object, "netnsFd", &netns_fd) ||
      !read_property(env, object, "groups", &groups) || !read_property(env, object, "receiveBuffer", &buffer_value)) {
    return false;
  }
  *options = (struct options){0};
  if (!read_integer(env, protocol_value, 0, MAX_PROTOCOL, "protocol must be a number from 0 to 31", &protocol) ||
      !read_optional_fd(env, netns_fd, &options->netns_fd) || !read_groups(env, groups, options)) {
    return false;
  }
  if (!is_undefined(env, buffer_value) &&
      !read_integer(env, buffer_value, 1, MAX_RECEIVE_BUFFER, "receiveBuffer must be 1 to 536870912 bytes", &buffer)) {
    return false;
  }
  options->protocol = (int)protocol;
  options->receive_buffer = (int)buffer;
  return true;
}

static bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* Binds the socket and sets it up. NULL, or the name of what failed, with errno set. */
static const char *set_up(int fd, const struct options *options, struct channel *channel) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  socklen_t length = sizeof address;
  int receive_limit, send_limit;
  /* Forcing needs CAP_NET_ADMIN over the namespace; without it the system's limit applies. */
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, options->receive_buffer) &&
      !set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer)) {
    return "setsockopt SO_RCVBUF";
  }
  /* Kernels before 4.12 / 4.20 lack these; the answers are then less detailed, not wrong. */
  set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return "bind";
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return "getsockname";
  for (uint32_t i = 0; i < options->group_count; i++) {
    if (!set_option(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, options->groups[i])) return "setsockopt NETLINK_ADD_MEMBERSHIP";
  }
  length = sizeof receive_limit;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_limit, &length) != 0) return "getsockopt SO_RCVBUF";
  length = sizeof send_limit;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_limit, &length) != 0) return "getsockopt SO_SNDBUF";
  *channel = (struct channel){
      .fd = fd,
      .protocol = options->protocol,
      .port_id = address.nl_pid,
      .chunk_messages = receive_limit < ANSWER_COST ? 1 : (size_t)receive_limit / ANSWER_COST,
      .send_limit = send_limit,
  };
  return NULL;
}

napi_value open_netlink(napi_env env, napi_callback_info info) {
  napi_value argument, port_id;
  struct options options;
  struct namespace_visit visit;
  if (!read_arguments(env, info, 1, NULL, &argument) || !read_options(env, argument, &options)) return NULL;

  int error = namespace_enter(&visit, options.netns_fd);
  if (error != 0) return throw_errno(env, error, "setns");
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, options.protocol);
  error = errno;
  namespace_leave(&visit);
  if (fd < 0) return throw_errno(env, error, "socket");

  struct netlink *socket = calloc(1, sizeof *socket);
  const char *failed = socket == NULL ? "calloc" : set_up(fd, &options, &socket->channel);
  if (failed != NULL) {
    error = socket == NULL ? ENOMEM : errno;
    free(socket);
    close(fd);
    return throw_errno(env, error, failed);
  }
  socket->monitor = options.group_count > 0;
  socket->last_job = &socket->jobs;
  uint32_t port = socket->channel.port_id;
  napi_value object = handle_create(env, &socket->handle, &netlink_kind, fd);
  if (object == NULL || napi_create_uint32(env, port, &port_id) != napi_ok ||
      napi_set_named_property(env, object, "portId", port_id) != napi_ok ||
      !set_method(env, object, "transact", transact) || !set_method(env, object, "transactAsync", transact_async) ||
      !set_method(env, object, "listen", listen_method)) {
    return NULL;
  }
  return object;
}
