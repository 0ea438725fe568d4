// What the verifier itself says, for model_test.py: one question per line, {"child", "parent",
// "argument"}, all JSON; one answer per line, {"child": …, "parent": …, "within": …}: whether each
// accepts the argument, and whether the first is within the second.
#include <iostream>
#include <string>

#include "filters/receipt/constraint.h"

namespace {

using mandated::json::Document;
using mandated::receipt::Constraint;
using mandated::receipt::Effort;

const char* word(bool value) { return value ? "true" : "false"; }

bool answer(const std::string& line) {
  const auto question = Document::parse(line);
  if (!question) return false;
  const auto* child_json = question->root().find("child");
  const auto* parent_json = question->root().find("parent");
  const auto* argument = question->root().find("argument");
  if (child_json == nullptr || parent_json == nullptr || argument == nullptr) return false;
  const auto child = Constraint::parse(*child_json, {});
  const auto parent = Constraint::parse(*parent_json, {});
  if (!child || !parent) return false;
  Effort effort;
  std::cout << "{\"child\":" << word(child->check(*argument, effort))
            << ",\"parent\":" << word(parent->check(*argument, effort))
            << ",\"within\":" << word(child->within(*parent, effort)) << "}\n";
  return !effort.exhausted();
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    if (!answer(line)) {
      std::cerr << "no question: " << line << "\n";
      return 1;
    }
  }
  return 0;
}
