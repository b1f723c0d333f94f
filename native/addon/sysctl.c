/*
 * The namespace of the calling thread decides what /proc/sys/net shows at the moment a file is opened, so the whole
 * list is parsed first, then worked through between one setns and the next, then turned into JavaScript values.
 *
 * A path has slashes between its parts because interface names may contain dots. Parts are checked so that nothing
 * outside /proc/sys/net can be named.
 */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "namespace.h"

enum { MAX_ITEMS = 4096, MAX_PATH = 256, MAX_WRITE = 256, MAX_READ = 4096 };

static const char BASE[] = "/proc/sys/net";
static const char PREFIX[] = "net/";
static atomic_uint_fast64_t writes_done;

struct item {
  char path[MAX_PATH]; /* below BASE, the prefix removed */
  char value[MAX_WRITE];
  char *text; /* what was read */
  size_t length;
  int error;
};

uint64_t sysctl_writes(void) { return atomic_load_explicit(&writes_done, memory_order_relaxed); }

static bool is_safe_path(const char *path) {
  while (true) {
    size_t length = strcspn(path, "/");
    if (length == 0 || (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.')) return false;
    for (size_t i = 0; i < length; i++) {
      if ((unsigned char)path[i] <= ' ' || path[i] == 0x7f) return false;
    }
    if (path[length] == '\0') return true;
    path += length + 1;
  }
}

static bool read_path(napi_env env, napi_value value, struct item *item) {
  static const char message[] = "a sysctl path must be like net/ipv4/conf/eth0/forwarding, without . or .. as a part";
  char text[MAX_PATH];
  if (!read_text(env, value, false, message, text, sizeof text)) return false;
  if (strncmp(text, PREFIX, sizeof PREFIX - 1) != 0 || !is_safe_path(text)) return fail(env, message);
  strcpy(item->path, text + sizeof PREFIX - 1);
  return true;
}

static int open_base(void) {
  struct statfs status;
  int fd = open(BASE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (fstatfs(fd, &status) != 0 || status.f_type != PROC_SUPER_MAGIC) {
    close(fd);
    return -ENOTSUP;
  }
  return fd;
}

static void read_item(int base, struct item *item) {
  int fd = openat(base, item->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    item->error = errno;
    return;
  }
  char buffer[MAX_READ];
  ssize_t size = read(fd, buffer, sizeof buffer);
  if (size < 0) {
    item->error = errno;
  } else if ((size_t)size == sizeof buffer) {
    item->error = EFBIG;
  } else {
    item->length = (size_t)size;
    if (item->length > 0 && buffer[item->length - 1] == '\n') item->length--;
    item->text = malloc(item->length + 1);
    if (item->text == NULL) {
      item->error = ENOMEM;
    } else {
      memcpy(item->text, buffer, item->length);
    }
  }
  close(fd);
}

static void write_item(int base, struct item *item) {
  int fd = openat(base, item->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    item->error = errno;
    return;
  }
  size_t length = strlen(item->value);
  ssize_t written = write(fd, item->value, length);
  if (written < 0) {
    item->error = errno;
  } else if ((size_t)written != length) {
    item->error = EIO;
  } else {
    atomic_fetch_add_explicit(&writes_done, 1, memory_order_relaxed);
  }
  close(fd);
}

/* 0, or the errno of entering the namespace. */
static int work(int netns_fd, struct item *items, uint32_t count, void (*one)(int base, struct item *item)) {
  struct namespace_visit visit;
  int error = namespace_enter(&visit, netns_fd);
  if (error != 0) return error;
  int base = open_base();
  for (uint32_t i = 0; i < count; i++) {
    if (base < 0) {
      items[i].error = -base;
    } else {
      one(base, &items[i]);
    }
  }
  if (base >= 0) close(base);
  namespace_leave(&visit);
  return 0;
}

static struct item *new_items(napi_env env, napi_value list, uint32_t *count) {
  if (!read_array(env, list, MAX_ITEMS, "sysctls must be an array of at most 4096 entries", count)) return NULL;
  struct item *items = calloc(*count + 1u, sizeof *items);
  if (items == NULL) throw_errno(env, ENOMEM, "calloc");
  return items;
}

static napi_value make_results(napi_env env, const struct item *items, uint32_t count) {
  napi_value result, value;
  if (napi_create_array_with_length(env, count, &result) != napi_ok) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    const struct item *item = &items[i];
    napi_status status = item->text != NULL ? napi_create_string_utf8(env, item->text, item->length, &value)
                                            : napi_create_int32(env, -item->error, &value);
    if (status != napi_ok || napi_set_element(env, result, i, value) != napi_ok) return NULL;
  }
  return result;
}

napi_value read_sysctls(napi_env env, napi_callback_info info) {
  napi_value arguments[2], element, result = NULL;
  int netns_fd;
  uint32_t count;
  if (!read_arguments(env, info, 2, NULL, arguments) || !read_optional_fd(env, arguments[0], &netns_fd)) return NULL;
  struct item *items = new_items(env, arguments[1], &count);
  if (items == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, arguments[1], i, &element) != napi_ok || !read_path(env, element, &items[i])) goto done;
  }
  int error = work(netns_fd, items, count, read_item);
  result = error == 0 ? make_results(env, items, count) : throw_errno(env, error, "setns");
done:
  for (uint32_t i = 0; i < count; i++) free(items[i].text);
  free(items);
  return result;
}

napi_value write_sysctls(napi_env env, napi_callback_info info) {
  napi_value arguments[2], element, path, value, result = NULL;
  int netns_fd;
  uint32_t count;
  if (!read_arguments(env, info, 2, NULL, arguments) || !read_optional_fd(env, arguments[0], &netns_fd)) return NULL;
  struct item *items = new_items(env, arguments[1], &count);
  if (items == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, arguments[1], i, &element) != napi_ok || !read_property(env, element, "path", &path) ||
        !read_property(env, element, "value", &value) || !read_path(env, path, &items[i]) ||
        !read_text(env, value, false, "a sysctl value must be a string of 1 to 255 bytes", items[i].value, MAX_WRITE)) {
      goto done;
    }
  }
  int error = work(netns_fd, items, count, write_item);
  result = error == 0 ? make_results(env, items, count) : throw_errno(env, error, "setns");
done:
  free(items);
  return result;
}
