/*
 * The few libuv functions the addon needs. libuv lives inside the node executable and its headers are not part of
 * node-api-headers; these declarations are stable since libuv 1.0. `module.c` checks at load time that handle type 8
 * is the poll handle, which is the only number assumed here.
 */
#ifndef ADDON_UV_H
#define ADDON_UV_H

#include <stddef.h>

struct uv_loop_s;
struct uv_poll_s;
struct uv_handle_s;

enum { ADDON_UV_POLL = 8, UV_READABLE = 1, UV_WRITABLE = 2 };

size_t uv_handle_size(int type);
const char *uv_handle_type_name(int type);
void uv_handle_set_data(struct uv_handle_s *handle, void *data);
void *uv_handle_get_data(const struct uv_handle_s *handle);
void uv_close(struct uv_handle_s *handle, void (*closed)(struct uv_handle_s *handle));
int uv_poll_init(struct uv_loop_s *loop, struct uv_poll_s *handle, int fd);
int uv_poll_start(struct uv_poll_s *handle, int events, void (*ready)(struct uv_poll_s *handle, int status, int events));
int uv_poll_stop(struct uv_poll_s *handle);

#endif
