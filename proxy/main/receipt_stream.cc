// The reader cuts the input into runs of whole lines, `threads` answerers take runs as they are
// free, and a writer puts the answers out in the order of the input. Lines are bounded: a longer
// one is skipped to its end and answered, and the run goes on.
#include "proxy/main/receipt_stream.h"

#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "filters/receipt/batch.h"
#include "proxy/base/file.h"

namespace mandated {
namespace {

constexpr std::size_t kLineMax = 16U << 20U;
constexpr std::size_t kBlockSize = 1U << 18U;
// A dozen lines or so: what one answerer does at a time.
constexpr std::size_t kRunSize = 32U << 10U;

// Whole lines that follow each other, and then their answers.
struct Run {
  std::string lines;            // each with its line feed
  bool too_long_after = false;  // behind them stood a line that was too long
  std::string answers;
  bool answered = false;
};

// Runs on their way from the reader to the writer.
class Pipeline {
 public:
  Pipeline(int output, unsigned threads, const std::function<double()>& now)
      : output_(output), runs_max_(std::size_t{4} * threads), now_(now) {
    for (unsigned at = 0; at < threads; ++at) threads_.emplace_back([this] { answer_runs(); });
    threads_.emplace_back([this] { write_answers(); });
  }

  ~Pipeline() { finish(); }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Waits while many are under way. False once the output cannot be written.
  bool push(Run run) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return broken_ || under_way_.size() < runs_max_; });
    if (broken_) return false;
    under_way_.push_back(std::make_shared<Run>(std::move(run)));
    waiting_.push_back(under_way_.back());
    changed_.notify_all();
    return true;
  }

  /// Once everything was written; false if that could not be done.
  bool finish() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return !broken_;
  }

 private:
  void answer_runs() {
    receipt::BatchVerifier verifier;
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ended_ || broken_ || !waiting_.empty(); });
      if (broken_ || waiting_.empty()) return;
      const std::shared_ptr<Run> run = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      answer(verifier, *run);
      lock.lock();
      run->answered = true;
      changed_.notify_all();
    }
  }

  void answer(receipt::BatchVerifier& verifier, Run& run) const {
    std::string_view rest = run.lines;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      verifier.answer(rest.substr(0, end), now_(), run.answers);
      rest.remove_prefix(end + 1);
    }
    if (run.too_long_after) receipt::BatchVerifier::refuse_long_line(run.answers);
  }

  void write_answers() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock,
                    [this] { return under_way_.empty() ? ended_ : under_way_.front()->answered; });
      if (under_way_.empty()) return;
      const std::shared_ptr<Run> run = under_way_.front();
      lock.unlock();
      const bool written = write_all(output_, run->answers);
      lock.lock();
      under_way_.pop_front();
      broken_ = !written;
      changed_.notify_all();
      if (broken_) return;
    }
  }

  const int output_;
  const std::size_t runs_max_;
  const std::function<double()>& now_;
  std::mutex mutex_;
  std::condition_variable changed_;             // any of what follows
  std::deque<std::shared_ptr<Run>> under_way_;  // in the order of the input
  std::deque<std::shared_ptr<Run>> waiting_;    // of those, the ones nobody has taken yet
  bool ended_ = false;                          // nothing more is pushed
  bool broken_ = false;                         // the output cannot be written
  std::vector<std::thread> threads_;
};

// Cuts blocks into runs.
class Reader {
 public:
  explicit Reader(Pipeline& pipeline) : pipeline_(pipeline) {}

  /// False once the output cannot be written.
  bool take(std::string_view block) {
    while (!block.empty()) {
      const std::size_t end = block.find('\n');
      keep(block.substr(0, end));
      if (end == std::string_view::npos) break;
      block.remove_prefix(end + 1);
      if (!end_line()) return false;
    }
    // What was asked is answered now: the one who asks may wait for it.
    return flush();
  }

  /// A last line without its line feed is a line.
  bool finish() { return (line_.empty() && !skipping_) || (end_line() && flush()); }

 private:
  void keep(std::string_view part) {
    if (skipping_ || line_.size() + part.size() > kLineMax) {
      skipping_ = true;
      line_ = {};
    } else {
      line_.append(part);
    }
  }

  bool end_line() {
    run_.too_long_after = std::exchange(skipping_, false);
    if (!run_.too_long_after) {
      run_.lines += line_;
      run_.lines += '\n';
    }
    line_.clear();
    return (!run_.too_long_after && run_.lines.size() < kRunSize) || flush();
  }

  bool flush() {
    if (run_.lines.empty() && !run_.too_long_after) return true;
    return pipeline_.push(std::exchange(run_, {}));
  }

  Pipeline& pipeline_;
  Run run_;
  std::string line_;       // the beginning of a line whose end is not read yet
  bool skipping_ = false;  // inside a line that is too long
};

}  // namespace

bool answer_lines(int input, int output, unsigned threads, const std::function<double()>& now) {
  Pipeline pipeline(output, threads, now);
  Reader reader(pipeline);
  std::vector<char> block(kBlockSize);
  while (true) {
    const ssize_t size = ::read(input, block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    if (size == 0) break;
    if (!reader.take({block.data(), static_cast<std::size_t>(size)})) return false;
  }
  const bool taken = reader.finish();
  return pipeline.finish() && taken;
}

}  // namespace mandated
