// How a thread that writes to the disk tells a coroutine of a worker that it has. (Event is for one
// thread.) Whoever waits owns the Completion in its frame; the other thread holds the
// shared half, which knows when the frame is gone: a worker may be torn down with appends under
// way.
#pragma once

#include <boost/asio/post.hpp>
#include <memory>
#include <mutex>
#include <utility>

#include "proxy/base/event.h"
#include "proxy/base/result.h"
#include "proxy/base/task.h"

namespace mandated {

class Completion {
 public:
  /// The half that travels.
  class Shared {
   public:
    explicit Shared(Executor executor) : executor_(std::move(executor)) {}

    /// From any thread, once. The io_context outlives the thread that calls this; the frame that
    /// waits may be gone.
    static void complete(const std::shared_ptr<Shared>& shared, Result<void> outcome) {
      const std::lock_guard lock(shared->mutex_);
      if (shared->event_ == nullptr) return;
      shared->outcome_ = std::move(outcome);
      boost::asio::post(shared->executor_, [shared] {
        // On the worker's thread, as is the waiter's destruction.
        if (Event* const event = shared->event()) event->notify();
      });
    }

   private:
    friend class Completion;
    Event* event() {
      const std::lock_guard lock(mutex_);
      return event_;
    }

    Executor executor_;
    std::mutex mutex_;
    Event* event_ = nullptr;  // null once the waiter is gone
    Result<void> outcome_;
  };

  explicit Completion(Executor executor)
      : event_(executor), shared_(std::make_shared<Shared>(executor)) {
    shared_->event_ = &event_;
  }
  ~Completion() {
    const std::lock_guard lock(shared_->mutex_);
    shared_->event_ = nullptr;
  }
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  const std::shared_ptr<Shared>& shared() const { return shared_; }

  Task<Result<void>> wait() {
    co_await event_.wait();
    const std::lock_guard lock(shared_->mutex_);
    co_return shared_->outcome_;
  }

 private:
  Event event_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace mandated
