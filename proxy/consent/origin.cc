#include "proxy/consent/origin.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace mandated::consent {

namespace {

bool is_host(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  // A name that ends in a digit is an address to a browser (WHATWG URL section 3.5).
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), fits) &&
         text.front() != '.' && text.back() >= 'a' && text.find("..") == std::string_view::npos;
}

bool is_port(std::string_view text, std::string_view scheme_default) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port > 0 &&
         text.front() != '0' && text != scheme_default;
}

}  // namespace

Result<Origin> Origin::parse(std::string_view text) {
  const bool secure = text.starts_with("https://");
  const std::string_view scheme = secure ? "https://" : "http://";
  const std::string_view authority = text.substr(std::min(scheme.size(), text.size()));
  const std::size_t colon = std::min(authority.find(':'), authority.size());
  const std::string_view host = authority.substr(0, colon);
  const bool port =
      colon == authority.size() || is_port(authority.substr(colon + 1), secure ? "443" : "80");
  if (!text.starts_with(scheme) || !is_host(host) || !port || (!secure && host != "localhost")) {
    return fail(Code::kInvalidConfig, std::string(text) +
                                          " is no origin on which passkeys can be used: write "
                                          "https://receipts.example.org or http://localhost:8700");
  }
  return Origin{std::string(text), std::string(authority), std::string(host)};
}

}  // namespace mandated::consent
