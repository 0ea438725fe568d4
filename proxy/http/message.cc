#include "proxy/http/message.h"

#include <algorithm>
#include <utility>

namespace mandated::http {

std::optional<std::string_view> Fields::single(std::string_view name) const {
  const Field* found = nullptr;
  for (const Field& field : fields_) {
    if (field.name != name) continue;
    if (found != nullptr) return std::nullopt;
    found = &field;
  }
  if (found == nullptr) return std::nullopt;
  return found->value;
}

std::optional<std::string> Fields::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Field& field : fields_) {
    if (field.name != name) continue;
    if (all) {
      all->append(", ").append(field.value);
    } else {
      all = field.value;
    }
  }
  return all;
}

std::size_t Fields::count(std::string_view name) const {
  const auto matches = std::count_if(fields_.begin(), fields_.end(),
                                     [name](const Field& field) { return field.name == name; });
  return static_cast<std::size_t>(matches);
}

void Fields::add(std::string name, std::string value) {
  fields_.push_back(Field{std::move(name), std::move(value)});
}

void Fields::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Fields::remove(std::string_view name) {
  std::erase_if(fields_, [name](const Field& field) { return field.name == name; });
}

Task<Result<std::string>> StringBody::read() { co_return std::exchange(bytes_, std::string()); }

Task<Result<std::string>> read_all(Body& body, std::size_t bytes_max) {
  std::string all;
  while (true) {
    CO_TRY(std::string piece, co_await body.read());
    if (piece.empty()) co_return all;
    if (piece.size() > bytes_max - all.size()) {
      co_return fail(Code::kTooLarge,
                     "the body is larger than " + std::to_string(bytes_max) + " bytes");
    }
    if (all.empty()) {
      all = std::move(piece);
    } else {
      all += piece;
    }
  }
}

Response make_response(int status, std::string_view content_type, std::string body) {
  Response response;
  response.head.status = status;
  response.head.fields.add("content-type", std::string(content_type));
  response.head.fields.add("content-length", std::to_string(body.size()));
  response.body = std::make_unique<StringBody>(std::move(body));
  return response;
}

}  // namespace mandated::http
