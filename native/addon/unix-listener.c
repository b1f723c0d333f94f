#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix.h"
#include "uv.h"

enum { MAX_BACKLOG = 4096, CONNECTIONS_PER_TURN = 16, OWNER_ONLY = 077 };

struct listener {
  struct handle handle;
  int reserve; /* a descriptor to give up when there are none left: see refuse_one */
};

static void on_closing(struct handle *handle) {
  struct listener *listener = (struct listener *)handle;
  if (listener->reserve >= 0) close(listener->reserve);
  listener->reserve = -1;
}

static void on_freed(struct handle *handle) { free(handle); }

/*
 * Without a free descriptor a waiting connection cannot be accepted and the listener stays readable for ever. The
 * reserve makes room to accept and close it, so the peer is told at once.
 */
static void refuse_one(struct listener *listener) {
  if (listener->reserve >= 0) close(listener->reserve);
  int fd = accept4(listener->handle.fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_ready(struct handle *handle, int events) {
  struct listener *listener = (struct listener *)handle;
  (void)events;
  for (int count = 0; count < CONNECTIONS_PER_TURN && !handle->closed; count++) {
    int fd = accept4(handle->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      napi_value connection = make_unix_connection(handle->env, fd);
      if (connection != NULL) handle_call(handle, 1, &connection);
    } else if (errno == EMFILE || errno == ENFILE) {
      refuse_one(listener);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      break;
    }
  }
}

static const struct handle_kind listener_kind = {
    .tag = {0x756e69786c697301u, 0x93ad2e61c07b4f18u},
    .name = "this method belongs to a unix listener",
    .ready = on_ready,
    .closing = on_closing,
    .freed = on_freed,
};

/*
 * The mode of a socket file is the mode of the socket's own inode without the umask, so setting that first gives the
 * file its mode at the moment it appears. The umask belongs to the whole process, workers included.
 */
static int bind_private(int fd, const struct sockaddr_un *address, mode_t mode) {
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  if (fchmod(fd, mode) != 0) return errno;
  pthread_mutex_lock(&one_at_a_time);
  mode_t previous = umask(OWNER_ONLY);
  int error = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
  umask(previous);
  pthread_mutex_unlock(&one_at_a_time);
  if (error != 0) return error;
  if ((mode & OWNER_ONLY) != 0 && chmod(address->sun_path, mode) != 0) {
    error = errno;
    unlink(address->sun_path);
  }
  return error;
}

napi_value listen_unix(napi_env env, napi_callback_info info) {
  napi_value arguments[3], mode_value, backlog_value;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int64_t mode, backlog;
  if (!read_arguments(env, info, 3, NULL, arguments) ||
      !read_text(env, arguments[0], false, "path must be a string of 1 to 107 bytes", address.sun_path,
                 sizeof address.sun_path) ||
      !read_property(env, arguments[1], "mode", &mode_value) ||
      !read_property(env, arguments[1], "backlog", &backlog_value) ||
      !read_integer(env, mode_value, 0, 0777, "mode must be a number from 0 to 0o777", &mode) ||
      !read_integer(env, backlog_value, 1, MAX_BACKLOG, "backlog must be a number from 1 to 4096", &backlog) ||
      !read_function(env, arguments[2], "onConnection must be a function")) {
    return NULL;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_errno(env, errno, "socket");
  int error = bind_private(fd, &address, (mode_t)mode);
  if (error != 0) {
    close(fd);
    return throw_errno(env, error, "bind");
  }
  struct listener *listener = NULL;
  if (listen(fd, (int)backlog) != 0) {
    error = errno;
  } else if ((listener = calloc(1, sizeof *listener)) == NULL) {
    error = ENOMEM;
  }
  if (error != 0) {
    unlink(address.sun_path);
    close(fd);
    return throw_errno(env, error, "listen");
  }
  listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  struct handle *handle = &listener->handle;
  napi_value object = handle_create(env, handle, &listener_kind, fd);
  if (object == NULL) return NULL;
  error = handle_set_callback(handle, arguments[2]) ? handle_watch(handle, UV_READABLE) : ECANCELED;
  if (error != 0) {
    handle_close(handle);
    return throw_errno(env, error, "uv_poll");
  }
  return object;
}
