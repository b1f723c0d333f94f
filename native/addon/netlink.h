/* openNetlink(options): netlink sockets as JavaScript objects. */
#ifndef ADDON_NETLINK_H
#define ADDON_NETLINK_H

#include "handle.h"

napi_value open_netlink(napi_env env, napi_callback_info info);
uint64_t netlink_writes(void);

#endif
