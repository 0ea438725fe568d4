// Fixed records give fixed bytes: whoever reads audit files relies on them. UPDATE_GOLDEN=1
// rewrites trail.jsonl; a change of format shows in the difference.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "proxy/audit/log.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"
#include "tests/unit/audit/records.h"

namespace mandated::audit {
namespace {

class StringFile final : public File {
 public:
  explicit StringFile(std::string& text) : text_(text) {}
  Result<void> append(std::string_view bytes) override {
    text_ += bytes;
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<void> truncate(std::uint64_t size) override {
    text_.resize(size);
    return {};
  }

 private:
  std::string& text_;
};

TEST(AuditGolden, Trail) {
  boost::asio::io_context context(1);
  const mandated::test::SimClock clock(context);
  mandated::test::SimRng rng(7);
  std::string text;
  {
    const auto log = Log::start(std::make_unique<StringFile>(text), clock, rng, {});
    for (const Record& record : {test::full_record(), test::outcome_record()}) {
      boost::asio::co_spawn(context, (*log)->append(record),
                            [](const std::exception_ptr& escaped, const Result<void>& outcome) {
                              EXPECT_EQ(escaped, nullptr);
                              EXPECT_TRUE(outcome);
                            });
      context.restart();
      context.run();
    }
  }
  const std::string path = GOLDEN_FOLDER "/trail.jsonl";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream in(path, std::ios::binary);
  const std::string golden{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(text, golden);
}

}  // namespace
}  // namespace mandated::audit
