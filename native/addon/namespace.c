#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file system an open descriptor is on, without asking that file system: one in user space could keep us waiting. */
static bool device_of(int fd, struct statx *status) {
  return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, status) == 0;
}

/*
 * The descriptor may come from another process. Comparing its file system with that of our own namespace costs no I/O
 * on the object behind it, and keeps the ioctl away from device drivers. (Its name in /proc/self/fd would not do: a
 * namespace bound to a file, as `ip netns add` and container runtimes do, has that file's name.)
 */
static bool is_network_namespace(int fd) {
  struct statx own, given;
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) return false;
  bool known = device_of(home, &own) && device_of(fd, &given);
  close(home);
  if (!known || given.stx_dev_major != own.stx_dev_major || given.stx_dev_minor != own.stx_dev_minor) return false;
  return ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

int namespace_enter(struct namespace_visit *visit, int netns_fd) {
  visit->home = -1;
  if (netns_fd < 0) return 0;
  /* setns would also take the descriptor of a process. */
  if (!is_network_namespace(netns_fd)) return EINVAL;
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) return errno;
  if (setns(netns_fd, CLONE_NEWNET) != 0) {
    int error = errno;
    close(home);
    return error;
  }
  visit->home = home;
  return 0;
}

void namespace_leave(struct namespace_visit *visit) {
  if (visit->home < 0) return;
  if (setns(visit->home, CLONE_NEWNET) != 0) {
    fprintf(stderr, "addon: cannot return to the home network namespace: %s\n", strerrorname_np(errno));
    abort();
  }
  close(visit->home);
  visit->home = -1;
}

bool read_optional_fd(napi_env env, napi_value value, int *fd) {
  int64_t number;
  *fd = -1;
  if (is_undefined(env, value)) return true;
  if (!read_integer(env, value, 0, INT_MAX, "netnsFd must be a file descriptor or undefined", &number)) return false;
  *fd = (int)number;
  return true;
}

napi_value network_namespace(napi_env env, napi_callback_info info) {
  napi_value fd_value, result, inode, device;
  int64_t fd;
  struct stat status;
  if (!read_arguments(env, info, 1, NULL, &fd_value) ||
      !read_integer(env, fd_value, 0, INT_MAX, "fd must be a file descriptor", &fd)) {
    return NULL;
  }
  if (!is_network_namespace((int)fd) || fstat((int)fd, &status) != 0) return NULL;
  if (napi_create_object(env, &result) != napi_ok ||
      napi_create_bigint_uint64(env, status.st_ino, &inode) != napi_ok ||
      napi_create_bigint_uint64(env, status.st_dev, &device) != napi_ok ||
      napi_set_named_property(env, result, "inode", inode) != napi_ok ||
      napi_set_named_property(env, result, "device", device) != napi_ok) {
    return NULL;
  }
  return result;
}
