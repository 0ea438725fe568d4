// Status lists against the draft's own vectors, and against packed bytes that nobody honest sends.
#include "filters/status/list.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "filters/receipt/base64url.h"

namespace mandated::status {
namespace {

using receipt::Code;
using receipt::decode_base64url;
using receipt::encode_base64url;

// draft-ietf-oauth-status-list-21: the examples of sections 4.1 and 4.2, and Appendix C.1 and C.2.
struct Vector {
  const char* section;
  int bits;
  std::uint64_t entries;
  std::map<std::uint64_t, std::uint8_t> statuses;  // those that are not 0
  const char* lst;
};

const Vector kVectors[] = {
    {"4.1, 1 bit",
     1,
     16,
     {{0, 1}, {3, 1}, {4, 1}, {5, 1}, {7, 1}, {8, 1}, {9, 1}, {13, 1}, {15, 1}},
     "eNrbuRgAAhcBXQ"},
    {"4.1, 2 bits",
     2,
     12,
     {{0, 1}, {1, 2}, {3, 3}, {5, 1}, {7, 1}, {8, 1}, {9, 2}, {10, 3}, {11, 3}},
     "eNo76fITAAPfAgc"},
    {"C.1",
     1,
     1U << 20U,
     {{0, 1},
      {1993, 1},
      {25460, 1},
      {159495, 1},
      {495669, 1},
      {554353, 1},
      {645645, 1},
      {723232, 1},
      {854545, 1},
      {934534, 1},
      {1000345, 1}},
     "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAA"
     "AAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb"},
    {"C.2",
     2,
     1U << 20U,
     {{0, 1},
      {1993, 2},
      {25460, 1},
      {159495, 3},
      {495669, 1},
      {554353, 1},
      {645645, 2},
      {723232, 1},
      {854545, 1},
      {934534, 2},
      {1000345, 3}},
     "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAA"
     "AAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81g"
     "AQw"},
};

TEST(StatusList, TheDraftsVectors) {
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(vector.section);
    auto made = StatusList::make(vector.bits, vector.entries);
    ASSERT_TRUE(made) << made.error().sentence;
    for (const auto& [index, status] : vector.statuses) ASSERT_TRUE(made->set(index, status));
    EXPECT_EQ(encode_base64url(made->pack()), vector.lst);

    const auto read = StatusList::unpack(vector.bits, *decode_base64url(vector.lst));
    ASSERT_TRUE(read) << read.error().sentence;
    EXPECT_EQ(*read, *made);
    ASSERT_EQ(read->size(), vector.entries);
    for (std::uint64_t index = 0; index < vector.entries; ++index) {
      const auto at = vector.statuses.find(index);
      ASSERT_EQ(*read->get(index), at == vector.statuses.end() ? 0 : at->second) << index;
    }
    EXPECT_EQ(read->count_revoked(), vector.statuses.size());
  }
}

TEST(StatusList, EveryWidthHoldsItsValuesBesideItsNeighbours) {
  for (const int bits : {1, 2, 4, 8}) {
    SCOPED_TRACE(bits);
    const unsigned most = (1U << bits) - 1;
    auto list = *StatusList::make(bits, 64);
    EXPECT_EQ(list.size(), 64U);
    for (std::uint64_t index = 0; index < 64; ++index)
      ASSERT_TRUE(list.set(index, static_cast<std::uint8_t>(most)));
    ASSERT_TRUE(list.set(21, 0));
    for (std::uint64_t index = 0; index < 64; ++index)
      EXPECT_EQ(*list.get(index), index == 21 ? 0 : most) << index;
    EXPECT_EQ(list.count_revoked(), 63U);
    if (most < 255) {
      const auto wide = list.set(20, static_cast<std::uint8_t>(most + 1));
      ASSERT_FALSE(wide);
      EXPECT_EQ(wide.error().code, Code::kMalformed);
      EXPECT_EQ(*list.get(20), most);
    }
  }
}

TEST(StatusList, NothingIsOutsideTheList) {
  auto list = *StatusList::make(2, 12);
  // The last one would be entry 0, were its bits counted in 64 bits.
  for (const std::uint64_t index :
       {std::uint64_t{12}, std::uint64_t{1} << 32U, ~std::uint64_t{0}, std::uint64_t{1} << 63U}) {
    EXPECT_EQ(list.get(index).error().code, Code::kStatusUnknown) << index;
    EXPECT_EQ(list.set(index, 1).error().code, Code::kStatusUnknown) << index;
    EXPECT_EQ(check_entry(list, index).error().code, Code::kStatusUnknown) << index;
  }
  EXPECT_EQ(list.count_revoked(), 0U);
  const auto empty = StatusList::make(1, 0);
  EXPECT_EQ(check_entry(*empty, 0).error().code, Code::kStatusUnknown);
}

TEST(StatusList, GrowsButNeverForgets) {
  auto list = *StatusList::make(1, 9);
  EXPECT_EQ(list.size(), 16U);
  ASSERT_TRUE(list.set(15, 1));
  ASSERT_TRUE(list.grow(1000));
  EXPECT_EQ(list.size(), 1000U);
  ASSERT_TRUE(list.grow(1));
  EXPECT_EQ(list.size(), 1000U);
  EXPECT_EQ(*list.get(15), 1);
  EXPECT_EQ(list.count_revoked(), 1U);
  EXPECT_EQ(list.grow(8 * 126, 125).error().code, Code::kTooLarge);
  EXPECT_EQ(list.grow(~std::uint64_t{0}).error().code, Code::kTooLarge);
  EXPECT_EQ(StatusList::make(8, kListBytesMax + 1).error().code, Code::kTooLarge);
}

TEST(StatusList, OnlyValidLetsAReceiptStand) {
  struct Row {
    std::uint8_t status;
    const char* words;
  };
  auto list = *StatusList::make(8, 1);
  EXPECT_TRUE(check_entry(list, 0));
  for (const Row& row : std::vector<Row>{{1, "invalid"},
                                         {2, "suspended"},
                                         {3, "status 3"},
                                         {15, "status 15"},
                                         {255, "status 255"}}) {
    ASSERT_TRUE(list.set(0, row.status));
    const auto checked = check_entry(list, 0);
    ASSERT_FALSE(checked) << row.words;
    EXPECT_EQ(checked.error().code, Code::kRevoked);
    EXPECT_EQ(checked.error().sentence,
              std::string("Its issuer's status list calls the receipt ") + row.words + ".");
  }
}

TEST(StatusList, HostileBytes) {
  const std::string honest = *decode_base64url("eNrbuRgAAhcBXQ");
  const auto bent = [&](std::size_t at) {
    std::string bytes = honest;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    return bytes;
  };
  struct Row {
    const char* what;
    std::int64_t bits;
    std::string packed;
    std::size_t bytes_max;
    Code code;
  };
  // 16 MiB of nothing in a thousandth of that.
  const std::string bomb = StatusList::make(8, 16U << 20U)->pack();
  ASSERT_LT(bomb.size(), 20000U);
  const Row rows[] = {
      {"0 bits", 0, honest, kListBytesMax, Code::kMalformed},
      {"3 bits", 3, honest, kListBytesMax, Code::kMalformed},
      {"16 bits", 16, honest, kListBytesMax, Code::kMalformed},
      {"-1 bits", -1, honest, kListBytesMax, Code::kMalformed},
      {"257 bits, 1 in a byte", 257, honest, kListBytesMax, Code::kMalformed},
      {"nothing", 1, "", kListBytesMax, Code::kMalformed},
      {"no zlib", 1, "plain text", kListBytesMax, Code::kMalformed},
      {"gzip's header", 1, std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20),
       kListBytesMax, Code::kMalformed},
      {"deflate without zlib's header", 1, honest.substr(2), kListBytesMax, Code::kMalformed},
      {"a dictionary is wanted", 1, std::string("\x78\xbb\0\0\0\0", 6), kListBytesMax,
       Code::kMalformed},
      {"cut off", 1, honest.substr(0, honest.size() - 1), kListBytesMax, Code::kMalformed},
      {"another checksum", 1, bent(honest.size() - 1), kListBytesMax, Code::kMalformed},
      {"another byte", 1, bent(3), kListBytesMax, Code::kMalformed},
      {"a byte behind", 1, honest + '\0', kListBytesMax, Code::kMalformed},
      {"a second stream behind", 1, honest + honest, kListBytesMax, Code::kMalformed},
      {"a bomb", 8, bomb, (16U << 20U) - 1, Code::kTooLarge},
      {"a bomb for a small limit", 1, bomb, 1, Code::kTooLarge},
      {"one byte too many", 1, honest, 1, Code::kTooLarge},
  };
  for (const Row& row : rows) {
    const auto list = StatusList::unpack(row.bits, row.packed, row.bytes_max);
    ASSERT_FALSE(list) << row.what;
    EXPECT_EQ(list.error().code, row.code) << row.what << ": " << list.error().sentence;
  }
  EXPECT_EQ(StatusList::unpack(1, honest, 2)->size(), 16U);
  EXPECT_EQ(StatusList::unpack(8, bomb, 16U << 20U)->size(), 16U << 20U);
}

}  // namespace
}  // namespace mandated::status
