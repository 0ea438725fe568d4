#include "proxy/main/audit_commands.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "proxy/audit/verify.h"

namespace mandated {

namespace {

struct VerifyArguments {
  std::string file;
  std::string from_hash;
  std::string expect_last;
};

int report(const std::string& file, const audit::Verification& verification) {
  if (!verification.ok) {
    std::printf("%s:%llu: %s\n", file.c_str(), static_cast<unsigned long long>(verification.line),
                verification.problem.c_str());
    return 1;
  }
  std::printf("%s: ok, %llu records, last hash %s\n", file.c_str(),
              static_cast<unsigned long long>(verification.records),
              verification.last_hash.c_str());
  return 0;
}

int verify(const VerifyArguments& arguments) {
  audit::VerifyOptions options;
  if (!arguments.from_hash.empty()) options.from_hash = arguments.from_hash;
  if (!arguments.expect_last.empty()) options.expect_last = arguments.expect_last;
  if (arguments.file == "-") return report("-", audit::verify(std::cin, options));
  errno = 0;
  std::ifstream in(arguments.file, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "mandated: %s cannot be read: %s\n", arguments.file.c_str(),
                 std::strerror(errno));
    return 2;
  }
  return report(arguments.file, audit::verify(in, options));
}

}  // namespace

void add_audit_commands(CLI::App& app, int& exit_code) {
  CLI::App* audit = app.add_subcommand("audit", "The audit trail");
  audit->require_subcommand(1);
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* command = audit->add_subcommand(
      "verify", "Find the first line of an audit file that was changed, dropped or moved");
  command->add_option("file", arguments->file, "The file; - reads standard input")->required();
  command->add_option("--from-hash", arguments->from_hash,
                      "The first line follows the line with this hash (a part of a trail)");
  command->add_option("--expect-last", arguments->expect_last,
                      "The last line must have this hash: finds lines cut off the end");
  command->callback([arguments, &exit_code] { exit_code = verify(*arguments); });
}

}  // namespace mandated
