#include "deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int left_ms(int64_t deadline) {
  int64_t left = deadline - now_ms();
  if (left <= 0) return 0;
  return left > INT_MAX ? INT_MAX : (int)left;
}

int wait_for(int fd, short events, int64_t deadline) {
  while (true) {
    struct pollfd entry = {.fd = fd, .events = events};
    int ready = poll(&entry, 1, left_ms(deadline));
    if (ready > 0) return 0;
    if (ready == 0 && left_ms(deadline) == 0) return ETIMEDOUT;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

int write_all(int fd, const void *data, size_t size, int64_t deadline) {
  const char *rest = data;
  while (size > 0) {
    ssize_t written = write(fd, rest, size);
    if (written >= 0) {
      rest += written;
      size -= (size_t)written;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      int error = wait_for(fd, POLLOUT, deadline);
      if (error != 0) return error;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

bool set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}
