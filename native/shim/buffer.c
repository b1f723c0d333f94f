#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#include "protocol.h"

enum { FIRST_CAPACITY = 4096 };

/* `needed` is at most the limit. */
static bool reserve(struct buffer *buffer, size_t needed) {
  if (needed <= buffer->capacity) return true;
  size_t capacity = buffer->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buffer->capacity * 2;
  if (capacity < needed) capacity = needed;
  if (capacity > buffer->limit) capacity = buffer->limit;
  uint8_t *grown = realloc(buffer->data, capacity);
  if (grown == NULL) return false;
  buffer->data = grown;
  buffer->capacity = capacity;
  return true;
}

size_t buffer_room(struct buffer *buffer, size_t want) {
  size_t left = buffer->limit - buffer->size;
  if (want > left) want = left;
  return want > 0 && reserve(buffer, buffer->size + want) ? want : 0;
}

bool buffer_append(struct buffer *buffer, const void *data, size_t size) {
  if (size == 0) return true;
  if (buffer_room(buffer, size) != size) return false;
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  return true;
}

void buffer_free(struct buffer *buffer) {
  free(buffer->data);
  *buffer = (struct buffer){.limit = buffer->limit};
}

bool buffer_append_field(struct buffer *buffer, uint16_t tag, const void *data, size_t size) {
  uint8_t header[FIELD_HEADER_SIZE];
  if (size > MAX_PAYLOAD) return false;
  store_u16(header, tag);
  store_u32(header + 2, (uint32_t)size);
  return buffer_append(buffer, header, sizeof header) && buffer_append(buffer, data, size);
}

bool buffer_append_number(struct buffer *buffer, uint16_t tag, uint32_t number) {
  uint8_t bytes[4];
  store_u32(bytes, number);
  return buffer_append_field(buffer, tag, bytes, sizeof bytes);
}

void store_u16(uint8_t *at, uint16_t number) {
  at[0] = (uint8_t)(number >> 8);
  at[1] = (uint8_t)number;
}

void store_u32(uint8_t *at, uint32_t number) {
  store_u16(at, (uint16_t)(number >> 16));
  store_u16(at + 2, (uint16_t)number);
}

uint16_t load_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

uint32_t load_u32(const uint8_t *at) { return (uint32_t)load_u16(at) << 16 | load_u16(at + 2); }
