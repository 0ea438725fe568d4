// Whatever is done to a trail, verify() finds it, and at the right line: every byte of every line
// changed, every line dropped, repeated or swapped, and every length cut to.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "proxy/audit/verify.h"
#include "tests/unit/audit/records.h"

namespace mandated::audit {
namespace {

using test::joined;
using test::trail;

constexpr std::size_t kLines = 6;

class Tamper : public testing::Test {
 protected:
  Verification found(const std::string& text, bool with_last) {
    std::istringstream in(text);
    VerifyOptions options;
    if (with_last) options.expect_last = hash(lines_.back());
    return verify(in, options);
  }
  const std::vector<std::string> lines_ = trail(kLines);
  const std::string text_ = joined(lines_);
};

TEST_F(Tamper, EverySingleByte) {
  std::size_t line = 1;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 'x' ^ '\n'}) {
      std::string changed = text_;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const Verification result = found(changed, true);
      ASSERT_FALSE(result.ok) << "byte " << i << " xor " << flip;
      // Which of the last two lines was changed cannot be told when the last one's `prev` was.
      const bool last = line == kLines;
      ASSERT_TRUE(result.line == line || (last && result.line == line - 1))
          << "byte " << i << " of line " << line << ", reported in " << result.line;
      if (!last) {
        ASSERT_FALSE(found(changed, false).ok) << "without the last hash: byte " << i;
      }
    }
    if (text_[i] == '\n') ++line;
  }
}

TEST_F(Tamper, EveryByteRemovedOrDoubled) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    std::string removed = text_;
    removed.erase(i, 1);
    ASSERT_FALSE(found(removed, true).ok) << i;
    std::string doubled = text_;
    doubled.insert(i, 1, text_[i]);
    ASSERT_FALSE(found(doubled, true).ok) << i;
  }
}

TEST_F(Tamper, EveryLineDropped) {
  for (std::size_t i = 0; i < kLines; ++i) {
    std::vector<std::string> lines = lines_;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    const Verification result = found(joined(lines), true);
    ASSERT_FALSE(result.ok) << i;
    EXPECT_EQ(result.line, i + 1 == kLines ? i : i + 1);
    EXPECT_EQ(found(joined(lines), false).ok, i + 1 == kLines);
  }
}

TEST_F(Tamper, EveryLineRepeatedAnywhere) {
  for (std::size_t from = 0; from < kLines; ++from) {
    for (std::size_t to = 0; to <= kLines; ++to) {
      std::vector<std::string> lines = lines_;
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(to), lines_[from]);
      const Verification result = found(joined(lines), false);
      ASSERT_FALSE(result.ok) << from << " at " << to;
      EXPECT_EQ(result.line, to == from ? to + 2 : to + 1) << from << " at " << to;
    }
  }
}

TEST_F(Tamper, EveryPairSwapped) {
  for (std::size_t a = 0; a < kLines; ++a) {
    for (std::size_t b = a + 1; b < kLines; ++b) {
      std::vector<std::string> lines = lines_;
      std::swap(lines[a], lines[b]);
      const Verification result = found(joined(lines), false);
      ASSERT_FALSE(result.ok) << a << " and " << b;
      EXPECT_EQ(result.line, a + 1);
    }
  }
}

TEST_F(Tamper, EveryLengthCutTo) {
  for (std::size_t size = 0; size < text_.size(); ++size) {
    const std::string cut = text_.substr(0, size);
    ASSERT_FALSE(found(cut, true).ok) << size;
    const bool whole_lines = size > 0 && cut.back() == '\n';
    ASSERT_EQ(found(cut, false).ok, whole_lines) << size;
  }
}

}  // namespace
}  // namespace mandated::audit
