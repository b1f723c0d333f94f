/*
 * A descriptor that belongs to a JavaScript object and may be watched by the event loop: the base of netlink sockets,
 * unix listeners and unix connections. Everything about their lifetime is here.
 *
 * References: one for the JavaScript object (dropped by its finalizer), one while a libuv handle exists (dropped in
 * its close callback), one for each piece of work in progress. The memory goes with the last one, so close() may come
 * in any order: twice, inside a callback, with work pending, from the collector, or because the environment ends.
 *
 * A libuv handle that is still open when its environment (main thread or worker) goes away aborts the process. So
 * each has an asynchronous cleanup hook, which is removed only when libuv has let go of the handle.
 */
#ifndef ADDON_HANDLE_H
#define ADDON_HANDLE_H

#include "values.h"

struct uv_poll_s;
struct handle;

struct handle_kind {
  napi_type_tag tag;
  const char *name;                                /* "a NetlinkSocket", for errors */
  void (*ready)(struct handle *handle, int events); /* the descriptor is readable or writable; inside a handle scope */
  void (*closing)(struct handle *handle);          /* close() has begun; settle what is pending. May be NULL */
  void (*freed)(struct handle *handle);            /* free memory of the kind, then `handle` itself */
};

struct handle {
  const struct handle_kind *kind;
  napi_env env;
  int fd;
  bool closed;        /* close() was called: nothing new begins */
  bool keep_fd;       /* work in another thread uses the descriptor: handle_close leaves it to that work */
  unsigned references;
  int events;         /* what is being watched */
  struct uv_poll_s *poll;
  napi_async_cleanup_hook_handle hook;
  napi_ref object;    /* weak; strong while something is watched, so that the collector leaves it alone */
  napi_ref callback;
};

/*
 * The JavaScript object of `handle`, with its close() method. Takes over `fd` and `handle` (allocated by the caller,
 * zeroed): both are released on failure as well.
 */
napi_value handle_create(napi_env env, struct handle *handle, const struct handle_kind *kind, int fd);
/* The handle behind `this`; NULL with a TypeError pending when it is of another kind. */
struct handle *handle_of(napi_env env, napi_value object, const struct handle_kind *kind);

/* Keeps `callback` for handle_call, until close or handle_drop_callback. */
bool handle_set_callback(struct handle *handle, napi_value callback);
void handle_drop_callback(struct handle *handle);
/* Watches for `events` (0: for nothing). 0 or a positive errno. */
int handle_watch(struct handle *handle, int events);
/* Calls the callback from the event loop; an exception goes to uncaughtException. Does nothing after close. */
void handle_call(struct handle *handle, size_t count, const napi_value *values);

void handle_close(struct handle *handle);
void handle_reference(struct handle *handle);
void handle_release(struct handle *handle);

#endif
