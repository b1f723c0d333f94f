/* Unix stream sockets with what node:net does not have: peer credentials, received descriptors, a chosen file mode. */
#ifndef ADDON_UNIX_H
#define ADDON_UNIX_H

#include "handle.h"

/* listenUnix(path, options, onConnection) */
napi_value listen_unix(napi_env env, napi_callback_info info);

/* The JavaScript object of an accepted connection; takes over `fd`. NULL when that is not possible. */
napi_value make_unix_connection(napi_env env, int fd);

#endif
