#include "proxy/server/answers.h"

#include <gtest/gtest.h>

#include "proxy/json/json.h"
#include "tests/support/run_now.h"

namespace mandated::server {
namespace {

std::string body_of(http::Response response) {
  return *test::run_now(http::read_all(*response.body, 1U << 20U));
}

receipt::Refusal example() {
  receipt::Refusal refusal;
  refusal.code = receipt::Code::kArgumentDenied;
  refusal.hop = 1;
  refusal.tool = "read_file";
  refusal.argument = "path";
  refusal.constraint = R"({"constraint_type":"exact","value":"/a"})";
  refusal.sentence = "The path is not granted.";
  return refusal;
}

TEST(Answers, ARefusedRequestGetsAJsonRpcErrorWithItsOwnId) {
  protocol::Call call;
  call.id = "\"seven\"";
  http::Response response = refused(&call, example());
  EXPECT_EQ(response.head.status, 200);
  const auto document = json::Document::parse(body_of(std::move(response)));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().find_string("id"), "seven");
  const json::Value* error = document->root().find("error");
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->find("code")->integer(), -32010);
  EXPECT_EQ(error->find_string("message"), "The path is not granted.");
  const json::Value* data = error->find("data");
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data->find_string("code"), "argument_denied");
  EXPECT_EQ(data->find("hop")->integer(), 1);
  EXPECT_EQ(data->find_string("tool"), "read_file");
  EXPECT_EQ(data->find_string("argument"), "path");
  EXPECT_EQ(data->find("constraint")->find_string("value"), "/a");
}

TEST(Answers, WherePeopleCanDecideStandsInTheAnswer) {
  receipt::Refusal refusal = example();
  refusal.ticket = "0123";
  refusal.url = "https://consent.example/q";
  protocol::Call call;
  call.id = "7";
  const std::string told = body_of(refused(&call, refusal));
  EXPECT_NE(told.find(R"("code":-32010)"), std::string::npos);
  EXPECT_NE(told.find(R"("ticket":"0123","url":"https://consent.example/q")"), std::string::npos);
  call.opens_pages = true;
  EXPECT_NE(body_of(refused(&call, refusal)).find(R"("code":-32042)"), std::string::npos);
  EXPECT_NE(body_of(refused(&call, example())).find(R"("code":-32010)"), std::string::npos);
  call.kind = protocol::CallKind::kStream;
  EXPECT_NE(body_of(refused(&call, refusal)).find(R"("url":"https://consent.example/q")"),
            std::string::npos);
}

TEST(Answers, WhatIsNoRequestGetsAProblemDocument) {
  protocol::Call stream;
  stream.kind = protocol::CallKind::kStream;
  for (const protocol::Call* call :
       {static_cast<const protocol::Call*>(nullptr), static_cast<const protocol::Call*>(&stream)}) {
    http::Response response = refused(call, example());
    EXPECT_EQ(response.head.status, 403);
    EXPECT_EQ(response.head.fields.single("content-type"), "application/problem+json");
    const auto document = json::Document::parse(body_of(std::move(response)));
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().find("status")->integer(), 403);
    EXPECT_EQ(document->root().find_string("code"), "argument_denied");
    EXPECT_EQ(document->root().find_string("detail"), "The path is not granted.");
  }
}

TEST(Answers, TheStatusSaysWhoseFaultItIs) {
  struct Case {
    Code code;
    Side side;
    int status;
  };
  for (const Case& c :
       {Case{Code::kTooLarge, Side::kDownstream, 413}, Case{Code::kTooLarge, Side::kUpstream, 502},
        Case{Code::kTimeout, Side::kDownstream, 408}, Case{Code::kTimeout, Side::kUpstream, 504},
        Case{Code::kRefused, Side::kUpstream, 502}, Case{Code::kReset, Side::kUpstream, 502},
        Case{Code::kMalformed, Side::kDownstream, 400},
        Case{Code::kPeerIdentity, Side::kUpstream, 502}, Case{Code::kStorage, Side::kLocal, 503},
        Case{Code::kOverloaded, Side::kLocal, 503}, Case{Code::kInternal, Side::kLocal, 500}}) {
    EXPECT_EQ(status_of(Error{c.code, c.side, "x"}), c.status) << to_string(c.code);
  }
}

TEST(Answers, TheLastEventOfABrokenStreamEndsTheEventBeforeIt) {
  protocol::Call call;
  call.id = "5";
  const std::string event = failed_event(call, Error{Code::kReset, Side::kUpstream, "cut"});
  EXPECT_TRUE(event.starts_with("\n\ndata: "));
  EXPECT_TRUE(event.ends_with("\n\n"));
  EXPECT_NE(event.find("\"id\":5"), std::string::npos);
}

}  // namespace
}  // namespace mandated::server
