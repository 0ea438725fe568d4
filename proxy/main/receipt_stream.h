// The line loop of `receipt verify --batch`.
#pragma once

#include <functional>

namespace mandated {

/// Answers each line of `input` by one line on `output`, in order, until the end. Answers are
/// written as soon as nothing more is waiting to be read, so that a program can ask and wait. False
/// if `output` cannot be written or `input` read. `now` is called by `threads` threads, 1 at least.
bool answer_lines(int input, int output, unsigned threads, const std::function<double()>& now);

}  // namespace mandated
