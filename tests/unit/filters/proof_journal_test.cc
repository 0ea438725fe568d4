// A used proof stays used, whatever becomes of the process that saw it.
#include "filters/replay/proof_journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace mandated {
namespace {

using receipt::PrivateKey;
using receipt::Proof;
using receipt::ReplayMemory;
using receipt::Seconds;

constexpr Seconds kNow = 1780000000;
constexpr Seconds kWindow = 30;

class ProofJournalTest : public testing::Test {
 protected:
  ProofJournalTest() {
    std::string name = testing::TempDir() + "proofs-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/proofs";
  }
  ~ProofJournalTest() override { std::filesystem::remove_all(folder_); }

  // One life of a process.
  struct Life {
    std::unique_ptr<ProofJournal> journal;
    ReplayMemory memory{1U << 20U, [this](const ReplayMemory::Seen& seen, Seconds now) {
                          return journal->append(seen, now);
                        }};
  };
  std::unique_ptr<Life> begin(Seconds now = kNow) {
    auto life = std::make_unique<Life>();
    auto opened = ProofJournal::open(path_, now, life->memory);
    if (!opened) throw std::runtime_error(opened.error().text);
    life->journal = std::move(*opened);
    return life;
  }
  std::string use(Life& life, const std::string& jti, Seconds now = kNow, Seconds issued = kNow) {
    const auto used = life.memory.remember(key_.public_key(), {jti, issued}, now, kWindow);
    return used ? "used" : std::string(receipt::to_string(used.error().code));
  }
  std::size_t bytes() const {
    return std::filesystem::file_size(path_ + ".0") + std::filesystem::file_size(path_ + ".1");
  }

  PrivateKey key_ = PrivateKey::generate(receipt::KeyType::kEd25519);
  std::string folder_;
  std::string path_;
};

TEST_F(ProofJournalTest, ARestartForgetsNothingInsideTheWindow) {
  EXPECT_EQ(use(*begin(), "a"), "used");
  EXPECT_EQ(use(*begin(), "b"), "used");
  const auto life = begin(kNow + 29);
  EXPECT_EQ(use(*life, "a", kNow + 29), "replayed");
  EXPECT_EQ(use(*life, "b", kNow + 29), "replayed");
  EXPECT_EQ(use(*life, "c", kNow + 29), "used");
  struct stat status{};
  ASSERT_EQ(::stat((path_ + ".0").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(ProofJournalTest, AHalfWrittenRecordIsCutOffAndShiftsNothing) {
  EXPECT_EQ(use(*begin(), "a"), "used");
  std::ofstream(path_ + ".0", std::ios::app) << "half";
  EXPECT_EQ(use(*begin(), "b"), "used");
  const auto life = begin();
  EXPECT_EQ(use(*life, "a"), "replayed");
  EXPECT_EQ(use(*life, "b"), "replayed");
}

// Both files together hold little more than one window's proofs.
TEST_F(ProofJournalTest, TheFilesStayBounded) {
  auto life = begin();
  std::size_t most = 0;
  for (int second = 0; second < 600; ++second) {
    const Seconds now = kNow + second;
    for (int call = 0; call < 100; ++call) {
      ASSERT_EQ(use(*life, std::to_string(second) + "-" + std::to_string(call), now, now), "used");
    }
    most = std::max(most, bytes());
  }
  EXPECT_LT(most, 3U * 4096U * 40U);
  life = begin(kNow + 599);
  for (int second = 570; second < 600; ++second) {
    EXPECT_EQ(use(*life, std::to_string(second) + "-7", kNow + 599, kNow + second), "replayed");
  }
}

TEST_F(ProofJournalTest, WhatCannotBeWrittenIsRefusedAndLosesNothing) {
  std::signal(SIGXFSZ, SIG_IGN);
  const auto life = begin();
  EXPECT_EQ(use(*life, "a"), "used");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 60;  // a record and a half
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string refused = use(*life, "b");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(refused, "internal");
  EXPECT_EQ(use(*life, "b"), "used") << "it had not been used";
  const auto next = begin();
  EXPECT_EQ(use(*next, "a"), "replayed");
  EXPECT_EQ(use(*next, "b"), "replayed");
}

TEST_F(ProofJournalTest, AFolderThatIsNotThereIsAnError) {
  ReplayMemory memory;
  const auto opened = ProofJournal::open(folder_ + "/missing/proofs", kNow, memory);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kStorage);
}

}  // namespace
}  // namespace mandated
