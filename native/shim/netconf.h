/* The one thing the shim reads in the network configuration: where the agent listens. */
#ifndef SHIM_NETCONF_H
#define SHIM_NETCONF_H

#include <stddef.h>
#include <stdint.h>

enum socket_setting {
  SETTING_ABSENT, /* no such field, or no JSON object at all: the agent says what is wrong with it */
  SETTING_FOUND,
  SETTING_INVALID /* there, but no absolute path that fits */
};

/* Finds the top-level "agent_socket" of a JSON text; the last one counts. `path` takes size - 1 bytes and a NUL. */
enum socket_setting find_agent_socket(const uint8_t *json, size_t json_size, char *path, size_t size);

#endif
