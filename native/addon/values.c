#include "values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool fail(napi_env env, const char *message) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  }
  return false;
}

napi_value errno_error(napi_env env, int error, const char *syscall) {
  const char *name = strerrorname_np(error);
  const char *description = strerrordesc_np(error);
  char code[24], message[160];
  if (name == NULL) {
    snprintf(code, sizeof code, "E%d", error);
    name = code;
  }
  snprintf(message, sizeof message, "%s: %s: %s", syscall, name, description == NULL ? "unknown error" : description);

  napi_value result, text, code_value, number, syscall_value;
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) != napi_ok ||
      napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code_value) != napi_ok ||
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &syscall_value) != napi_ok ||
      napi_create_int32(env, -error, &number) != napi_ok ||
      napi_create_error(env, code_value, text, &result) != napi_ok ||
      napi_set_named_property(env, result, "errno", number) != napi_ok ||
      napi_set_named_property(env, result, "syscall", syscall_value) != napi_ok) {
    return NULL;
  }
  return result;
}

napi_value throw_errno(napi_env env, int error, const char *syscall) {
  napi_value value = errno_error(env, error, syscall);
  if (value != NULL) napi_throw(env, value);
  return NULL;
}

bool read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *self, napi_value *values) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, values, self, NULL) == napi_ok || fail(env, "arguments are not readable");
}

static bool has_type(napi_env env, napi_value value, napi_valuetype wanted) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == wanted;
}

bool is_undefined(napi_env env, napi_value value) { return has_type(env, value, napi_undefined); }

bool read_function(napi_env env, napi_value value, const char *message) {
  return has_type(env, value, napi_function) || fail(env, message);
}

bool read_integer(napi_env env, napi_value value, int64_t low, int64_t high, const char *message, int64_t *result) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return fail(env, message);
  /* NaN fails the comparison; every bound used here is far below 2^53. */
  if (!(number >= (double)low && number <= (double)high) || trunc(number) != number) return fail(env, message);
  *result = (int64_t)number;
  return true;
}

bool read_bytes(napi_env env, napi_value value, struct bytes *result) {
  bool typed = false;
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, &type, &result->size, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    return fail(env, "data must be a Uint8Array");
  }
  result->data = data;
  if (data == NULL) result->size = 0;
  return true;
}

bool read_text(napi_env env, napi_value value, bool empty_allowed, const char *message, char *result, size_t size) {
  size_t length = 0, copied = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size ||
      (length == 0 && !empty_allowed) ||
      napi_get_value_string_utf8(env, value, result, size, &copied) != napi_ok || copied != length ||
      memchr(result, '\0', length) != NULL) {
    return fail(env, message);
  }
  return true;
}

bool read_array(napi_env env, napi_value value, uint32_t limit, const char *message, uint32_t *length) {
  bool array = false;
  return (napi_is_array(env, value, &array) == napi_ok && array &&
          napi_get_array_length(env, value, length) == napi_ok && *length <= limit) ||
         fail(env, message);
}

bool read_property(napi_env env, napi_value object, const char *name, napi_value *result) {
  if (!has_type(env, object, napi_object)) return fail(env, "options must be an object");
  return napi_get_named_property(env, object, name, result) == napi_ok || fail(env, name);
}

bool make_uint8_array(napi_env env, const void *data, size_t size, napi_value *result) {
  napi_value buffer;
  void *target = NULL;
  if (napi_create_arraybuffer(env, size, &target, &buffer) != napi_ok) return false;
  if (size > 0) memcpy(target, data, size);
  return napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, result) == napi_ok;
}

bool set_method(napi_env env, napi_value object, const char *name, napi_callback method) {
  const napi_property_descriptor property = {.utf8name = name, .method = method, .attributes = napi_default_method};
  return napi_define_properties(env, object, 1, &property) == napi_ok;
}
