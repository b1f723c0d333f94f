/*
 * Between JavaScript values and C: checked arguments and errors.
 *
 * Every reader returns false with a TypeError (or the exception of a getter) pending when the value is not what it
 * must be; the caller then returns NULL at once. Nothing here trusts a length it has not checked.
 */
#ifndef ADDON_VALUES_H
#define ADDON_VALUES_H

#define NAPI_VERSION 9
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
  const uint8_t *data;
  size_t size;
};

/* Throws a TypeError with this text; false, so that readers can `return fail(...)`. */
bool fail(napi_env env, const char *message);

/* An Error with `errno` (negative, as Node does), `code` and `syscall`; NULL when JavaScript can no longer run. */
napi_value errno_error(napi_env env, int error, const char *syscall);
/* Throws that Error. Returns NULL, so that callbacks can `return throw_errno(...)`. */
napi_value throw_errno(napi_env env, int error, const char *syscall);

/* `this` and exactly the first `count` arguments (undefined where missing). */
bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *self, napi_value *values);
bool is_undefined(napi_env env, napi_value value);
bool read_function(napi_env env, napi_value value, const char *message);
/* An integer in [low, high]. */
bool read_integer(napi_env env, napi_value value, int64_t low, int64_t high, const char *message, int64_t *result);
/* The bytes of a Uint8Array, valid until JavaScript runs again. */
bool read_bytes(napi_env env, napi_value value, struct bytes *result);
/* A string of 1 to size - 1 bytes of UTF-8 without NUL. `empty_allowed` also takes "". */
bool read_text(napi_env env, napi_value value, bool empty_allowed, const char *message, char *result, size_t size);
/* Length of an array, at most `limit`. */
bool read_array(napi_env env, napi_value value, uint32_t limit, const char *message, uint32_t *length);
bool read_property(napi_env env, napi_value object, const char *name, napi_value *result);

bool make_uint8_array(napi_env env, const void *data, size_t size, napi_value *result);
bool set_method(napi_env env, napi_value object, const char *name, napi_callback method);

#endif
