#include "proxy/workload_api/grpc_frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace mandated::workload_api {
namespace {

using testing::HasSubstr;

std::vector<std::string> read(std::string_view bytes, std::size_t piece) {
  MessageReader reader(100);
  std::vector<std::string> messages;
  while (!bytes.empty()) {
    reader.add(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (true) {
      const auto message = reader.next();
      EXPECT_TRUE(message);
      if (!message || !*message) break;
      messages.emplace_back((*message)->bytes());
    }
  }
  EXPECT_TRUE(reader.empty());
  return messages;
}

TEST(MessageReader, AnyPiecesGiveTheSameMessages) {
  const std::vector<std::string> messages = {"one", "", std::string(100, 'x'),
                                             std::string(1, '\0')};
  std::string bytes;
  for (const std::string& message : messages) bytes += frame_message(message);
  for (const std::size_t piece : {1U, 2U, 5U, 7U, 1000U}) EXPECT_EQ(read(bytes, piece), messages);
}

TEST(MessageReader, RefusesBeforeItHoldsAnything) {
  const std::pair<std::string, Code> rows[] = {
      {std::string("\1\0\0\0\1", 5), Code::kUnsupported},
      {std::string("\2\0\0\0\1", 5), Code::kMalformed},
      {std::string("\0\0\0\0\x65", 5), Code::kTooLarge},
      {std::string("\0\xff\xff\xff\xff", 5), Code::kTooLarge},
  };
  for (const auto& [bytes, code] : rows) {
    MessageReader reader(100);
    reader.add(std::string_view(bytes).substr(0, 4));
    if (code == Code::kTooLarge) {
      EXPECT_TRUE(reader.next());
    }
    reader.add(std::string_view(bytes).substr(4));
    const auto message = reader.next();
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, code);
  }
}

TEST(MessageReader, AHalfMessageIsNotEmpty) {
  MessageReader reader(100);
  EXPECT_TRUE(reader.empty());
  reader.add(frame_message("abc").substr(0, 7));
  const auto message = reader.next();
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
  EXPECT_FALSE(reader.empty());
}

Result<void> status(const char* value, const char* words = nullptr) {
  http::Fields trailers;
  trailers.add("grpc-status", value);
  if (words != nullptr) trailers.add("grpc-message", words);
  return read_status(trailers);
}

TEST(Status, ByNumber) {
  EXPECT_TRUE(status("0"));
  const std::pair<const char*, Code> rows[] = {
      {"1", Code::kEnd},          {"2", Code::kUnavailable},  {"3", Code::kInternal},
      {"4", Code::kTimeout},      {"7", Code::kDenied},       {"8", Code::kOverloaded},
      {"12", Code::kUnsupported}, {"14", Code::kUnavailable}, {"16", Code::kDenied},
      {"17", Code::kMalformed},   {"", Code::kMalformed},     {"-1", Code::kMalformed},
      {"7 ", Code::kMalformed},   {"OK", Code::kMalformed},   {"99999999999", Code::kMalformed},
  };
  for (const auto& [value, code] : rows) {
    const auto read = status(value);
    ASSERT_FALSE(read) << value;
    EXPECT_EQ(to_string(read.error().code), to_string(code)) << value;
  }
  http::Fields twice;
  EXPECT_FALSE(read_status(twice));
  twice.add("grpc-status", "0");
  twice.add("grpc-status", "7");
  EXPECT_FALSE(read_status(twice));
}

TEST(Status, WordsAreDecodedAndHarmless) {
  EXPECT_THAT(status("7", "no%20identity issued").error().text,
              HasSubstr("PERMISSION_DENIED: no identity issued"));
  EXPECT_THAT(status("7", "a%0ab%1b%ff%zz%4").error().text, HasSubstr(": a?b??%zz%4"));
  EXPECT_LT(status("7", std::string(100000, 'x').c_str()).error().text.size(), 600U);
}

}  // namespace
}  // namespace mandated::workload_api
