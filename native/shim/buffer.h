/* Bytes that grow up to a limit, and the field encoding of the protocol. */
#ifndef SHIM_BUFFER_H
#define SHIM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
  uint8_t *data;
  size_t size, capacity, limit;
};

/* Room for at least one and at most `want` more bytes: how many, 0 when the limit is reached. */
size_t buffer_room(struct buffer *buffer, size_t want);
bool buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_free(struct buffer *buffer);

bool buffer_append_field(struct buffer *buffer, uint16_t tag, const void *data, size_t size);
bool buffer_append_number(struct buffer *buffer, uint16_t tag, uint32_t number);

void store_u16(uint8_t *at, uint16_t number);
void store_u32(uint8_t *at, uint32_t number);
uint16_t load_u16(const uint8_t *at);
uint32_t load_u32(const uint8_t *at);

#endif
