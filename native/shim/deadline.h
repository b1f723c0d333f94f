/* Every wait of the shim ends: descriptors are waited for with a point in time, never with patience. */
#ifndef SHIM_DEADLINE_H
#define SHIM_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t now_ms(void);
/* Waits until `fd` is ready for `events` (poll). 0, or ETIMEDOUT, or another errno. */
int wait_for(int fd, short events, int64_t deadline);
/* Milliseconds left, at least 0, as poll takes them. */
int left_ms(int64_t deadline);
/* Writes everything. 0 or an errno. */
int write_all(int fd, const void *data, size_t size, int64_t deadline);
bool set_nonblocking(int fd);

#endif
