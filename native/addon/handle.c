#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "uv.h"

void handle_reference(struct handle *handle) { handle->references++; }

void handle_release(struct handle *handle) {
  if (--handle->references == 0) handle->kind->freed(handle);
}

static void on_poll_closed(struct uv_handle_s *poll) {
  struct handle *handle = uv_handle_get_data(poll);
  handle->poll = NULL;
  free(poll);
  if (handle->hook != NULL) napi_remove_async_cleanup_hook(handle->hook);
  handle->hook = NULL;
  handle_release(handle);
}

void handle_drop_callback(struct handle *handle) {
  if (handle->callback != NULL) napi_delete_reference(handle->env, handle->callback);
  handle->callback = NULL;
}

void handle_close(struct handle *handle) {
  if (handle->closed) return;
  handle->closed = true;
  handle_reference(handle);
  if (handle->kind->closing != NULL) handle->kind->closing(handle);
  if (handle->poll != NULL) uv_close((struct uv_handle_s *)handle->poll, on_poll_closed);
  if (!handle->keep_fd) {
    close(handle->fd);
    handle->fd = -1;
  }
  handle_drop_callback(handle);
  if (handle->object != NULL) napi_delete_reference(handle->env, handle->object);
  handle->object = NULL;
  handle_release(handle);
}

/* The environment ends. The close callback of libuv tells Node when it may go on. */
static void on_environment_end(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  handle_close(data);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  handle_close(data);
  handle_release(data);
}

struct handle *handle_of(napi_env env, napi_value object, const struct handle_kind *kind) {
  bool matches = false;
  void *data = NULL;
  if (napi_check_object_type_tag(env, object, &kind->tag, &matches) != napi_ok || !matches ||
      napi_unwrap(env, object, &data) != napi_ok) {
    fail(env, kind->name);
    return NULL;
  }
  return data;
}

static napi_value close_method(napi_env env, napi_callback_info info) {
  napi_value self;
  void *kind = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, &self, &kind) != napi_ok) return NULL;
  struct handle *handle = handle_of(env, self, kind);
  if (handle != NULL) handle_close(handle);
  return NULL;
}

napi_value handle_create(napi_env env, struct handle *handle, const struct handle_kind *kind, int fd) {
  const napi_property_descriptor close_property = {
      .utf8name = "close", .method = close_method, .attributes = napi_default_method, .data = (void *)(uintptr_t)kind};
  napi_value object;
  handle->kind = kind;
  handle->env = env;
  handle->fd = fd;
  handle->references = 1;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_wrap(env, object, handle, on_collected, NULL, NULL) != napi_ok) {
    handle_close(handle);
    handle_release(handle);
    return NULL;
  }
  /* From here on the object owns the handle: a failure leaves it to the collector. */
  if (napi_create_reference(env, object, 0, &handle->object) != napi_ok ||
      napi_type_tag_object(env, object, &kind->tag) != napi_ok ||
      napi_define_properties(env, object, 1, &close_property) != napi_ok) {
    return NULL;
  }
  return object;
}

bool handle_set_callback(struct handle *handle, napi_value callback) {
  return napi_create_reference(handle->env, callback, 1, &handle->callback) == napi_ok;
}

static void on_ready(struct uv_poll_s *poll, int status, int events) {
  struct handle *handle = uv_handle_get_data((struct uv_handle_s *)poll);
  napi_handle_scope scope;
  if (handle->closed || napi_open_handle_scope(handle->env, &scope) != napi_ok) return;
  handle_reference(handle);
  /*
   * The error shows itself in the next system call on the descriptor. libuv has stopped watching it, which would leave
   * a monitor deaf after its first overrun.
   */
  if (status < 0 && handle->events != 0) uv_poll_start(poll, handle->events, on_ready);
  handle->kind->ready(handle, status < 0 ? handle->events : events);
  napi_env env = handle->env;
  handle_release(handle);
  napi_close_handle_scope(env, scope);
}

static int start_poll(struct handle *handle) {
  struct uv_loop_s *loop;
  if (napi_get_uv_event_loop(handle->env, &loop) != napi_ok) return ECANCELED;
  handle->poll = calloc(1, uv_handle_size(ADDON_UV_POLL));
  if (handle->poll == NULL) return ENOMEM;
  int status = uv_poll_init(loop, handle->poll, handle->fd);
  if (status != 0) {
    free(handle->poll);
    handle->poll = NULL;
    return -status;
  }
  uv_handle_set_data((struct uv_handle_s *)handle->poll, handle);
  handle_reference(handle);
  if (napi_add_async_cleanup_hook(handle->env, on_environment_end, handle, &handle->hook) != napi_ok) {
    handle->hook = NULL;
    handle_close(handle);
    return ECANCELED;
  }
  return 0;
}

int handle_watch(struct handle *handle, int events) {
  if (handle->closed) return EBADF;
  if (handle->poll == NULL) {
    if (events == 0) return 0;
    int error = start_poll(handle);
    if (error != 0) return error;
  }
  if (events == handle->events) return 0;
  if (handle->events == 0) napi_reference_ref(handle->env, handle->object, NULL);
  if (events == 0) napi_reference_unref(handle->env, handle->object, NULL);
  handle->events = events;
  return events == 0 ? -uv_poll_stop(handle->poll) : -uv_poll_start(handle->poll, events, on_ready);
}

void handle_call(struct handle *handle, size_t count, const napi_value *values) {
  napi_env env = handle->env;
  napi_value receiver, callback, error;
  if (handle->closed || handle->callback == NULL) return;
  if (napi_get_reference_value(env, handle->callback, &callback) != napi_ok ||
      napi_get_reference_value(env, handle->object, &receiver) != napi_ok) {
    return;
  }
  if (napi_make_callback(env, NULL, receiver, callback, count, values, NULL) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
}
