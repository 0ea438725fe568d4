// shell_command: a command line that is nothing but words, so that what is checked here is what any
// POSIX shell would run. Own code, because shells and word splitters disagree about the rest; so
// the rest is refused:
// - Outside quotes stand letters, digits and `+ , - . / : @ _`, and blanks between words. That
// leaves
//   out every operator, expansion, glob, brace, tilde, comment, escape, history mark and assignment
//   (NAME=value), and every non-ASCII byte, which some locale may take for a blank.
// - Between single quotes stands anything but a control character.
// - Between double quotes stands anything but a control character, `$`, a backquote, `\` and `!`.
// - A tab is a blank; every other control character, newline and NUL among them, is refused.
// - Quoted parts join with what touches them, and an empty pair of quotes is a word, as in POSIX.
// - A later word that begins with `-` once its quotes are gone is a flag, `-` and `--` too, and
// must
//   be listed as it is: `-rf` is not `-r` and `-f`. A flag's value is a word like any other.
#include <algorithm>

#include "filters/receipt/extension.h"

namespace mandated::receipt {
namespace {

using Names = std::vector<std::string_view>;

bool is_blank(char each) { return each == ' ' || each == '\t'; }

bool is_control(char each) {
  return (static_cast<unsigned char>(each) < 0x20 && each != '\t') || each == 0x7f;
}

bool is_plain(char each) {
  return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
         (each >= '0' && each <= '9') ||
         std::string_view("+,-./:@_").find(each) != std::string_view::npos;
}

// A list of strings, none of them empty, sorted.
std::optional<Names> read_names(const json::Value* list) {
  if (list == nullptr || !list->is_array()) return std::nullopt;
  Names names;
  for (const json::Value& name : list->array()) {
    if (!name.is_string() || name.string().empty()) return std::nullopt;
    names.push_back(name.string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool lists(const Names& names, std::string_view word) {
  return std::binary_search(names.begin(), names.end(), word);
}

}  // namespace

bool ShellWords::next(std::string& word) {
  word.clear();
  const auto start = std::find_if_not(rest_.begin(), rest_.end(), is_blank);
  rest_.remove_prefix(static_cast<std::size_t>(start - rest_.begin()));
  if (rest_.empty()) return false;
  while (!rest_.empty() && !is_blank(rest_.front())) {
    const char each = rest_.front();
    rest_.remove_prefix(1);
    if (each == '\'' || each == '"') {
      if (!read_quoted(each, word)) return refuse_rest();
    } else if (is_plain(each)) {
      word += each;
    } else {
      return refuse_rest();
    }
  }
  return true;
}

bool ShellWords::read_quoted(char quote, std::string& word) {
  const std::size_t end = rest_.find(quote);
  if (end == std::string_view::npos) return false;
  const std::string_view quoted = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  if (std::any_of(quoted.begin(), quoted.end(), is_control)) return false;
  if (quote == '"' && quoted.find_first_of("$`\\!") != std::string_view::npos) return false;
  word += quoted;
  return true;
}

bool ShellWords::refuse_rest() {
  refused_ = true;
  rest_ = {};
  return false;
}

std::optional<ShellCommand> ShellCommand::parse(const json::Value& source) {
  auto programs = read_names(source.find("programs"));
  if (!programs) return std::nullopt;
  ShellCommand command;
  command.programs_ = std::move(*programs);
  const json::Value* flags = source.find("flags");
  if (flags == nullptr) return command;
  command.flags_ = read_names(flags);
  if (!command.flags_) return std::nullopt;
  // One that does not begin with `-` would say nothing: it is a slip.
  const bool all_flags = std::all_of(command.flags_->begin(), command.flags_->end(),
                                     [](std::string_view flag) { return flag.front() == '-'; });
  return all_flags ? std::optional(std::move(command)) : std::nullopt;
}

bool ShellCommand::accepts(const json::Value& argument, Effort& /*effort*/) const {
  if (!argument.is_string()) return false;
  ShellWords words(argument.string());
  std::string word;
  if (!words.next(word) || !lists(programs_, word)) return false;
  while (words.next(word)) {
    if (flags_ && word.starts_with('-') && !lists(*flags_, word)) return false;
  }
  return !words.refused();
}

bool ShellCommand::within(const ShellCommand& parent) const {
  const auto includes = [](const Names& all, const Names& some) {
    return std::all_of(some.begin(), some.end(),
                       [&](std::string_view name) { return lists(all, name); });
  };
  if (!includes(parent.programs_, programs_)) return false;
  return !parent.flags_ || (flags_ && includes(*parent.flags_, *flags_));
}

}  // namespace mandated::receipt
