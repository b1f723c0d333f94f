/*
 * A strict JSON scanner (RFC 8259) that keeps nothing but one string. It reads the whole text, because a setting found
 * in something that is no JSON after all is not a setting. Depth is bounded, so recursion is.
 */
#include "netconf.h"

#include <stdbool.h>
#include <string.h>

enum { MAX_DEPTH = 512, KEY_SIZE = 16 };

static const char WANTED[] = "agent_socket";

struct scanner {
  const uint8_t *at, *end;
  enum socket_setting setting;
  char *path;
  size_t path_size;
};

/* A decoded string; `fits` is false when it is longer than the space or contains a NUL. */
struct text {
  char *space;
  size_t size, length;
  bool fits;
};

static bool scan_value(struct scanner *scanner, int depth);

static void skip_space(struct scanner *scanner) {
  while (scanner->at < scanner->end && memchr(" \t\n\r", *scanner->at, 4) != NULL) scanner->at++;
}

static bool take(struct scanner *scanner, char byte) {
  if (scanner->at == scanner->end || *scanner->at != (uint8_t)byte) return false;
  scanner->at++;
  return true;
}

static bool take_word(struct scanner *scanner, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(scanner->end - scanner->at) < length || memcmp(scanner->at, word, length) != 0) return false;
  scanner->at += length;
  return true;
}

static size_t take_digits(struct scanner *scanner) {
  const uint8_t *start = scanner->at;
  while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9') scanner->at++;
  return (size_t)(scanner->at - start);
}

static bool scan_number(struct scanner *scanner) {
  take(scanner, '-');
  if (!take(scanner, '0') && take_digits(scanner) == 0) return false;
  if (take(scanner, '.') && take_digits(scanner) == 0) return false;
  if (take(scanner, 'e') || take(scanner, 'E')) {
    if (!take(scanner, '+')) take(scanner, '-');
    return take_digits(scanner) > 0;
  }
  return true;
}

static void put(struct text *text, uint32_t byte) {
  if (byte == 0 || text->length + 1 >= text->size) {
    text->fits = false;
  } else {
    text->space[text->length++] = (char)byte;
  }
}

static void put_code_point(struct text *text, uint32_t code) {
  if (code < 0x80) {
    put(text, code);
  } else if (code < 0x800) {
    put(text, 0xc0 | code >> 6);
    put(text, 0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(text, 0xe0 | code >> 12);
    put(text, 0x80 | (code >> 6 & 0x3f));
    put(text, 0x80 | (code & 0x3f));
  } else {
    put(text, 0xf0 | code >> 18);
    put(text, 0x80 | (code >> 12 & 0x3f));
    put(text, 0x80 | (code >> 6 & 0x3f));
    put(text, 0x80 | (code & 0x3f));
  }
}

static bool scan_hex(struct scanner *scanner, uint32_t *unit) {
  if (scanner->end - scanner->at < 4) return false;
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    uint8_t byte = *scanner->at++;
    uint32_t digit;
    if (byte >= '0' && byte <= '9') digit = byte - '0';
    else if (byte >= 'a' && byte <= 'f') digit = byte - 'a' + 10u;
    else if (byte >= 'A' && byte <= 'F') digit = byte - 'A' + 10u;
    else return false;
    *unit = *unit << 4 | digit;
  }
  return true;
}

/* After \u. Half of a surrogate pair stands for the replacement character. */
static bool scan_unicode(struct scanner *scanner, struct text *text) {
  uint32_t unit, low;
  if (!scan_hex(scanner, &unit)) return false;
  if (unit >= 0xd800 && unit < 0xdc00) {
    struct scanner ahead = *scanner;
    if (take_word(&ahead, "\\u") && scan_hex(&ahead, &low) && low >= 0xdc00 && low < 0xe000) {
      *scanner = ahead;
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  put_code_point(text, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
  return true;
}

static bool scan_escape(struct scanner *scanner, struct text *text) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (scanner->at == scanner->end) return false;
  uint8_t name = *scanner->at++;
  if (name == 'u') return scan_unicode(scanner, text);
  const char *found = name == '\0' ? NULL : strchr(names, name);
  if (found == NULL) return false;
  put(text, (uint8_t)values[found - names]);
  return true;
}

static bool scan_string(struct scanner *scanner, struct text *text) {
  text->length = 0;
  text->fits = true;
  if (!take(scanner, '"')) return false;
  while (scanner->at < scanner->end) {
    uint8_t byte = *scanner->at++;
    if (byte == '"') {
      if (text->size > 0) text->space[text->length] = '\0';
      return true;
    }
    if (byte < 0x20) return false;
    if (byte != '\\') {
      put(text, byte);
    } else if (!scan_escape(scanner, text)) {
      return false;
    }
  }
  return false;
}

static bool scan_setting(struct scanner *scanner, int depth) {
  struct text path = {.space = scanner->path, .size = scanner->path_size};
  scanner->setting = SETTING_INVALID;
  if (scanner->at == scanner->end || *scanner->at != '"') return scan_value(scanner, depth);
  if (!scan_string(scanner, &path)) return false;
  if (path.fits && path.space[0] == '/') scanner->setting = SETTING_FOUND;
  return true;
}

static bool scan_member(struct scanner *scanner, int depth) {
  char key[KEY_SIZE];
  struct text text = {.space = key, .size = sizeof key};
  if (!scan_string(scanner, &text)) return false;
  skip_space(scanner);
  if (!take(scanner, ':')) return false;
  skip_space(scanner);
  bool wanted = depth == 1 && text.fits && strcmp(key, WANTED) == 0;
  return wanted ? scan_setting(scanner, depth) : scan_value(scanner, depth);
}

static bool scan_list(struct scanner *scanner, int depth, char close, bool (*item)(struct scanner *scanner, int depth)) {
  skip_space(scanner);
  if (take(scanner, close)) return true;
  do {
    skip_space(scanner);
    if (!item(scanner, depth)) return false;
    skip_space(scanner);
  } while (take(scanner, ','));
  return take(scanner, close);
}

static bool scan_value(struct scanner *scanner, int depth) {
  struct text ignored = {0};
  if (scanner->at == scanner->end || depth >= MAX_DEPTH) return false;
  switch (*scanner->at) {
    case '{':
      scanner->at++;
      return scan_list(scanner, depth + 1, '}', scan_member);
    case '[':
      scanner->at++;
      return scan_list(scanner, depth + 1, ']', scan_value);
    case '"':
      return scan_string(scanner, &ignored);
    case 't':
      return take_word(scanner, "true");
    case 'f':
      return take_word(scanner, "false");
    case 'n':
      return take_word(scanner, "null");
    default:
      return scan_number(scanner);
  }
}

enum socket_setting find_agent_socket(const uint8_t *json, size_t json_size, char *path, size_t size) {
  struct scanner scanner = {.at = json, .end = json + json_size, .path = path, .path_size = size};
  if (json_size == 0) return SETTING_ABSENT;
  skip_space(&scanner);
  /* Members of a list inside the top-level list would have depth 1 too: only an object has settings. */
  if (scanner.at == scanner.end || *scanner.at != '{' || !scan_value(&scanner, 0)) return SETTING_ABSENT;
  skip_space(&scanner);
  return scanner.at == scanner.end ? scanner.setting : SETTING_ABSENT;
}
