#include "proxy/valkey/reply.h"

#include <hiredis/hiredis.h>

namespace mandated::valkey {

namespace {

Reply reply_of(const redisReply& read) {
  Reply reply;
  switch (read.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = Reply::Kind::kInteger;
      reply.integer = read.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = Reply::Kind::kText;
      reply.text.assign(read.str, read.len);
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = Reply::Kind::kError;
      reply.text.assign(read.str, read.len);
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = Reply::Kind::kList;
      for (std::size_t at = 0; at < read.elements; ++at) {
        reply.items.push_back(reply_of(*read.element[at]));
      }
      break;
    default:
      break;
  }
  return reply;
}

}  // namespace

std::string encode(const Words& words) {
  std::vector<const char*> parts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    parts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* made = nullptr;
  const int size =
      redisFormatCommandArgv(&made, static_cast<int>(words.size()), parts.data(), sizes.data());
  MANDATED_ASSERT(size > 0);
  std::string bytes(made, static_cast<std::size_t>(size));
  redisFreeCommand(made);
  return bytes;
}

struct ReplyReader::State {
  struct Free {
    void operator()(redisReader* made) const { redisReaderFree(made); }
  };
  std::unique_ptr<redisReader, Free> reader{redisReaderCreate()};
  std::size_t fed = 0;  // since the last whole reply
};

ReplyReader::ReplyReader() : state_(std::make_unique<State>()) {}
ReplyReader::~ReplyReader() = default;

Result<void> ReplyReader::feed(std::string_view bytes) {
  state_->fed += bytes.size();
  if (state_->fed > kReplyBytesMax) return fail(Code::kTooLarge, "a reply is too long");
  if (redisReaderFeed(state_->reader.get(), bytes.data(), bytes.size()) != REDIS_OK) {
    return fail(Code::kMalformed, state_->reader->errstr);
  }
  return {};
}

Result<std::optional<Reply>> ReplyReader::next() {
  void* read = nullptr;
  if (redisReaderGetReply(state_->reader.get(), &read) != REDIS_OK) {
    return fail(Code::kMalformed, state_->reader->errstr);
  }
  if (read == nullptr) return std::optional<Reply>();
  std::optional<Reply> reply = reply_of(*static_cast<redisReply*>(read));
  freeReplyObject(read);
  state_->fed = 0;
  return reply;
}

}  // namespace mandated::valkey
