/* Kernel parameters below /proc/sys/net, read and written inside a namespace in one call. */
#ifndef ADDON_SYSCTL_H
#define ADDON_SYSCTL_H

#include "values.h"

/* readSysctls(netnsFd, paths), writeSysctls(netnsFd, writes) */
napi_value read_sysctls(napi_env env, napi_callback_info info);
napi_value write_sysctls(napi_env env, napi_callback_info info);
uint64_t sysctl_writes(void);

#endif
