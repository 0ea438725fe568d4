#include "proxy/wimse/structured_field.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "filters/receipt/base64url.h"

namespace mandated::wimse {

namespace {

constexpr std::size_t kMembersMax = 64;
constexpr std::size_t kItemsMax = 64;
constexpr std::size_t kParametersMax = 32;
constexpr std::size_t kDigitsMax = 15;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_token(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}
bool is_key(char c) {
  return is_lower(c) || is_digit(c) || std::string_view("_-.*").find(c) != std::string_view::npos;
}

// Strict base64 (RFC 4648 section 4) by way of strict base64url: padded, without stray bits.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string url(text);
  for (int padding = 0; padding < 2 && url.ends_with('='); ++padding) url.pop_back();
  for (char& c : url) {
    if (c == '-' || c == '_' || c == '=') return std::nullopt;
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return receipt::decode_base64url(url);
}

std::string encode_base64(std::string_view bytes) {
  std::string text = receipt::encode_base64url(bytes);
  for (char& c : text) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

// The algorithms of section 4.2, over what is left of the text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  Result<std::vector<SfMember>> dictionary() {
    std::vector<SfMember> members;
    skip(" ");
    while (!rest_.empty()) {
      if (members.size() == kMembersMax) return bad("has too many members");
      TRY(SfMember member, this->member());
      if (find(members, member.key) != nullptr) return bad("names a member twice");
      members.push_back(std::move(member));
      skip(" \t");
      if (rest_.empty()) break;
      if (!take(',')) return bad("has something after a member");
      skip(" \t");
      if (rest_.empty()) return bad("ends with a comma");
    }
    return members;
  }

 private:
  static Failure bad(std::string_view what) {
    return fail(Code::kMalformed, "the structured field " + std::string(what));
  }
  void skip(std::string_view blanks) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(blanks), rest_.size()));
  }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <class Fits>
  std::string_view run(Fits fits) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), fits);
    const std::string_view found = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(found.size());
    return found;
  }

  Result<SfMember> member() {
    SfMember member;
    TRY(member.key, key());
    if (!take('=')) {
      TRY(SfParameters parameters, this->parameters());
      member.items.push_back({true, std::move(parameters)});
      return member;
    }
    if (!take('(')) {
      TRY(SfItem one, item());
      member.items.push_back(std::move(one));
      return member;
    }
    member.is_list = true;
    while (true) {
      skip(" ");
      if (take(')')) break;
      if (member.items.size() == kItemsMax) return bad("has too long a list");
      TRY(SfItem one, item());
      member.items.push_back(std::move(one));
      if (rest_.empty() || (rest_.front() != ' ' && rest_.front() != ')'))
        return bad("has an open list");
    }
    TRY(member.parameters, parameters());
    return member;
  }

  Result<std::string> key() {
    if (rest_.empty() || (!is_lower(rest_.front()) && rest_.front() != '*'))
      return bad("has a bad key");
    return std::string(run(is_key));
  }

  Result<SfParameters> parameters() {
    SfParameters parameters;
    while (take(';')) {
      skip(" ");
      if (parameters.size() == kParametersMax) return bad("has too many parameters");
      TRY(std::string key, this->key());
      if (find(parameters, key) != nullptr) return bad("names a parameter twice");
      SfBare value = true;
      if (take('=')) {
        TRY(value, bare());
      }
      parameters.push_back({std::move(key), std::move(value)});
    }
    return parameters;
  }

  Result<SfItem> item() {
    SfItem item;
    TRY(item.value, bare());
    TRY(item.parameters, parameters());
    return item;
  }

  Result<SfBare> bare() {
    if (rest_.empty()) return bad("ends too early");
    const char first = rest_.front();
    if (first == '"') return string();
    if (first == ':') return bytes();
    if (first == '?') return boolean();
    if (first == '-' || is_digit(first)) return integer();
    if (is_alpha(first) || first == '*') return SfBare(SfToken{std::string(run(is_token))});
    return bad("has a value of no known kind");
  }

  Result<SfBare> integer() {
    const bool negative = take('-');
    const std::string_view digits = run(is_digit);
    if (digits.empty() || digits.size() > kDigitsMax) return bad("has a bad number");
    if (!rest_.empty() && rest_.front() == '.') return bad("has a number with a fraction");
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return SfBare(negative ? -value : value);
  }

  Result<SfBare> string() {
    std::string text;
    take('"');
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return SfBare(std::move(text));
      if (c == '\\') {
        if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\\')) break;
        c = rest_.front();
        rest_.remove_prefix(1);
      } else if (c < 0x20 || c > 0x7e) {
        break;
      }
      text += c;
    }
    return bad("has a bad string");
  }

  Result<SfBare> bytes() {
    take(':');
    const std::string_view text = rest_.substr(0, rest_.find(':'));
    if (text.size() == rest_.size()) return bad("has bytes without an end");
    rest_.remove_prefix(text.size() + 1);
    std::optional<std::string> decoded = decode_base64(text);
    if (!decoded) return bad("has bytes that are not strict base64");
    return SfBare(SfBytes{std::move(*decoded)});
  }

  Result<SfBare> boolean() {
    take('?');
    if (take('1')) return SfBare(true);
    if (take('0')) return SfBare(false);
    return bad("has a bad boolean");
  }

  std::string_view rest_;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string to_text(const SfBare& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  if (const auto* token = std::get_if<SfToken>(&value)) return token->text;
  if (const auto* bytes = std::get_if<SfBytes>(&value)) return to_text(*bytes);
  return std::get<bool>(value) ? "?1" : "?0";
}

std::string to_text(const SfParameters& parameters) {
  std::string out;
  for (const SfParameter& parameter : parameters) {
    out += ";" + parameter.key;
    if (parameter.value != SfBare(true)) out += "=" + to_text(parameter.value);
  }
  return out;
}

}  // namespace

Result<std::vector<SfMember>> parse_dictionary(std::string_view text) {
  return Reader(text).dictionary();
}

std::string to_text(const SfBytes& bytes) { return ":" + encode_base64(bytes.bytes) + ":"; }

std::string to_text(const SfItem& item) { return to_text(item.value) + to_text(item.parameters); }

std::string to_text(const std::vector<SfItem>& items, const SfParameters& parameters) {
  std::string out = "(";
  for (const SfItem& item : items) {
    if (out.size() > 1) out += ' ';
    out += to_text(item);
  }
  return out + ")" + to_text(parameters);
}

bool fits_string(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

const SfBare* find(const SfParameters& parameters, std::string_view key) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [key](const SfParameter& one) { return one.key == key; });
  return found == parameters.end() ? nullptr : &found->value;
}

const SfMember* find(const std::vector<SfMember>& members, std::string_view key) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [key](const SfMember& one) { return one.key == key; });
  return found == members.end() ? nullptr : &*found;
}

}  // namespace mandated::wimse
