// One request as a codec hands it to a handler, and what it was answered.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "proxy/http/server.h"

namespace mandated::test {

class FakeStream final : public http::ServerStream {
 public:
  FakeStream(std::string method, std::string target, std::string body = {})
      : body_(std::move(body)) {
    request.method = std::move(method);
    request.target = std::move(target);
  }
  const http::RequestHead& head() const override { return request; }
  http::Body& body() override {
    body_read = true;
    return body_;
  }
  Task<Result<void>> respond(const http::ResponseHead& head, bool end) override {
    response = head;
    ended = end;
    if (is_gone) co_return fail(Code::kReset, Side::kDownstream, "gone");
    co_return Result<void>();
  }
  Task<Result<void>> send(std::string_view data, bool end) override {
    sent += data;
    ended = end;
    co_return Result<void>();
  }
  void reset() override {}
  void close_connection_after() override { closes = true; }
  void on_gone(std::function<void()> callback) override { gone = std::move(callback); }

  nlohmann::ordered_json json() const { return nlohmann::ordered_json::parse(sent); }

  http::RequestHead request;
  http::ResponseHead response;
  std::string sent;
  bool ended = false;
  bool closes = false;
  bool body_read = false;
  bool is_gone = false;        ///< the peer, before it is answered
  std::function<void()> gone;  ///< what was to be called then

 private:
  http::StringBody body_;
};

}  // namespace mandated::test
