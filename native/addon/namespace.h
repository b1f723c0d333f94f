/*
 * Work inside a network namespace. `namespace_enter` and `namespace_leave` enclose a few system calls on the calling
 * thread; no JavaScript runs between them, and a thread that cannot return ends the process, because everything the
 * agent did next would happen in the wrong namespace.
 */
#ifndef ADDON_NAMESPACE_H
#define ADDON_NAMESPACE_H

#include "values.h"

struct namespace_visit {
  int home; /* descriptor of the namespace to return to; -1: did not move */
};

/* Moves this thread into `netns_fd` (-1: stays). 0 or a positive errno; EINVAL when it is no network namespace. */
int namespace_enter(struct namespace_visit *visit, int netns_fd);
void namespace_leave(struct namespace_visit *visit);

/* An optional descriptor argument: -1 when undefined. */
bool read_optional_fd(napi_env env, napi_value value, int *fd);

/* networkNamespace(fd) */
napi_value network_namespace(napi_env env, napi_callback_info info);

#endif
