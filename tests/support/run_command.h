// A command of the program, run in this process: its exit code, and what it printed.
#pragma once

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

namespace mandated::test {

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

/// `add` puts the commands into the program (add_receipt_commands and its like).
template <class Add>
int parse_command(const Add& add, std::vector<std::string> words) {
  CLI::App app("mandated");
  app.require_subcommand(1);
  int code = 0;
  add(app, code);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    code = app.exit(error);
  }
  return code;
}

template <class Add>
Outcome run_command(const Add& add, const std::vector<std::string>& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = parse_command(add, words);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace mandated::test
