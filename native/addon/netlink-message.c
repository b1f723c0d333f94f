#include "netlink-message.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

bool message_next(const uint8_t *data, size_t size, size_t *offset, struct message *message) {
  struct nlmsghdr header;
  if (*offset > size || size - *offset < sizeof header) return false;
  memcpy(&header, data + *offset, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - *offset) return false;
  *message = (struct message){
      .length = header.nlmsg_len,
      .type = header.nlmsg_type,
      .flags = header.nlmsg_flags,
      .sequence = header.nlmsg_seq,
      .port_id = header.nlmsg_pid,
  };
  size_t aligned = NLMSG_ALIGN((size_t)header.nlmsg_len);
  *offset = aligned > size - *offset ? size : *offset + aligned;
  return true;
}

/* rtnetlink numbers its message types in fours: new, delete, get, set. */
static bool is_write(const struct message *message, int protocol, bool in_transaction) {
  if (message->type < NLMSG_MIN_TYPE) return false;
  if (protocol == NETLINK_ROUTE) return (message->type & 3) != 2;
  return in_transaction && message->type != NFNL_MSG_BATCH_BEGIN && message->type != NFNL_MSG_BATCH_END;
}

const char *batch_check(const uint8_t *data, size_t size, int protocol, struct batch *batch) {
  struct message message = {0};
  size_t offset = 0;
  bool transaction = false;
  *batch = (struct batch){.end = END_BY_ANSWER};
  if (size == 0) return "a batch has at least one message";
  while (offset < size) {
    bool first = offset == 0;
    if (!message_next(data, size, &offset, &message)) return "a batch is made of whole messages";
    if (first) transaction = protocol == NETLINK_NETFILTER && message.type == NFNL_MSG_BATCH_BEGIN;
    batch->writes += is_write(&message, protocol, transaction);
  }
  batch->last_sequence = message.sequence;
  if (transaction) {
    batch->end = END_BY_SILENCE;
    return message.type == NFNL_MSG_BATCH_END ? NULL : "an nf_tables batch ends with its end message";
  }
  if ((message.flags & NLM_F_REQUEST) == 0) return "the last message must be a request (NLM_F_REQUEST)";
  if ((message.flags & (NLM_F_ACK | NLM_F_DUMP)) == 0) return "the last message must ask for an answer (NLM_F_ACK or NLM_F_DUMP)";
  /* An answer to an earlier message must not be taken for the last one. */
  size_t last = offset, count = 0;
  for (offset = 0; offset < last && message_next(data, size, &offset, &message);) {
    count += message.sequence == batch->last_sequence;
  }
  return count == 1 ? NULL : "the last message needs a sequence number of its own";
}

size_t batch_chunk(const uint8_t *data, size_t size, size_t offset, size_t count) {
  struct message message;
  while (count-- > 0 && message_next(data, size, &offset, &message)) continue;
  return offset;
}
