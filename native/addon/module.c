/*
 * The native addon: system calls that Node does not have, and no policy. Its surface is src/native/addon.ts.
 *
 * The module may be loaded in several environments (main thread and workers) of one process: it keeps no state of its
 * own except counters.
 */
#include <string.h>

#include "namespace.h"
#include "netlink.h"
#include "sysctl.h"
#include "unix.h"
#include "uv.h"

/* counters() */
static napi_value counters(napi_env env, napi_callback_info info) {
  napi_value result, netlink, sysctl;
  (void)info;
  if (napi_create_object(env, &result) != napi_ok ||
      napi_create_int64(env, (int64_t)netlink_writes(), &netlink) != napi_ok ||
      napi_create_int64(env, (int64_t)sysctl_writes(), &sysctl) != napi_ok ||
      napi_set_named_property(env, result, "netlinkWrites", netlink) != napi_ok ||
      napi_set_named_property(env, result, "sysctlWrites", sysctl) != napi_ok) {
    return NULL;
  }
  return result;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"openNetlink", open_netlink},
      {"listenUnix", listen_unix},
      {"networkNamespace", network_namespace},
      {"readSysctls", read_sysctls},
      {"writeSysctls", write_sysctls},
      {"counters", counters},
  };
  const char *type = uv_handle_type_name(ADDON_UV_POLL);
  if (type == NULL || strcmp(type, "poll") != 0) {
    napi_throw_error(env, NULL, "this libuv numbers its handle types differently");
    return NULL;
  }
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (!set_method(env, exports, functions[i].name, functions[i].function)) return NULL;
  }
  return exports;
}
