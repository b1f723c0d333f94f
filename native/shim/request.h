/* What the container runtime asked for: environment, standard input and the pod's namespace, as one payload. */
#ifndef SHIM_REQUEST_H
#define SHIM_REQUEST_H

#include "buffer.h"

/* Reads standard input to its end. Ends the process with a CNI error when it is too long or never ends. */
void read_stdin(struct buffer *input, int64_t deadline);

/* Opens CNI_NETNS. -1 with `*error` 0 when it is not set, or with the errno. */
int open_netns(int *error);

/* `argument` may be NULL. Ends the process with a CNI error when the environment is too long. */
void encode_request(struct buffer *payload, const char *program, const char *argument, const struct buffer *input,
                    int netns, int netns_error);

#endif
