// Commands as they go out, and replies however they are cut.
#include "proxy/valkey/reply.h"

#include <gtest/gtest.h>

namespace mandated::valkey {
namespace {

TEST(EncodeTest, WordsMayHoldAnyBytes) {
  EXPECT_EQ(encode({"SET", std::string("a\0\r\n", 4), ""}),
            std::string("*3\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 29));
}

std::string text_of(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::kNil:
      return "nil";
    case Reply::Kind::kInteger:
      return std::to_string(reply.integer);
    case Reply::Kind::kText:
      return "'" + reply.text + "'";
    case Reply::Kind::kError:
      return "!" + reply.text;
    case Reply::Kind::kList:
      break;
  }
  std::string text = "[";
  for (const Reply& item : reply.items) text += text_of(item) + " ";
  return text + "]";
}

TEST(ReplyReaderTest, ReadsEachKindHoweverItIsCut) {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:-12\r\n$5\r\na\r\nbc\r\n$-1\r\n*3\r\n:1\r\n$-1\r\n$1\r\nx\r\n*0\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyReader reader;
    std::string read;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(at, piece)));
      Result<std::optional<Reply>> reply = reader.next();
      for (; reply && *reply; reply = reader.next()) read += text_of(**reply) + ";";
      ASSERT_TRUE(reply);
    }
    EXPECT_EQ(read, "'OK';!ERR no;-12;'a\r\nbc';nil;[1 nil 'x' ];[];");
  }
}

TEST(ReplyReaderTest, WhatIsNoReplyIsAnError) {
  for (const char* bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "$-5\r\n", "*9999999999\r\n", ":1x\r\n"}) {
    ReplyReader reader;
    const Result<void> fed = reader.feed(bytes);
    const Result<std::optional<Reply>> reply = reader.next();
    EXPECT_TRUE(!fed || !reply) << bytes;
  }
}

TEST(ReplyReaderTest, AReplyIsBounded) {
  ReplyReader reader;
  ASSERT_TRUE(reader.feed("$1000000\r\n"));
  const std::string piece(ReplyReader::kReplyBytesMax, 'x');
  const Result<void> fed = reader.feed(piece);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Code::kTooLarge);
}

}  // namespace
}  // namespace mandated::valkey
