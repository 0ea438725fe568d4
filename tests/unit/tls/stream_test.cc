// Data over a standing connection: every byte arrives, ends are told apart from cuts, nothing
// waits for ever.
#include <algorithm>
#include <array>

#include "tests/unit/tls/tls_fixture.h"

namespace mandated::tls {
namespace {

std::string pattern(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761U + 1;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return bytes;
}

Task<Result<void>> write_pieces(net::Stream& stream, std::string bytes, std::size_t piece) {
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::string_view part = std::string_view(bytes).substr(at, piece);
    CO_CHECK(co_await stream.write(part));
  }
  co_return co_await stream.shutdown();
}

Task<Result<std::string>> read_to_end(net::Stream& stream, std::size_t buffer_size) {
  std::string all;
  std::string buffer(buffer_size, '\0');
  for (;;) {
    CO_TRY(const std::size_t size, co_await stream.read_some(buffer));
    if (size == 0) co_return all;
    all.append(buffer, 0, size);
  }
}

class StreamTest : public TlsFixture {
 protected:
  struct Standing {
    std::unique_ptr<RawPeer> client;
    TlsStreamPtr server;
  };
  /// Our server and a bare client.
  Standing with_raw_client(const test::PipeOptions& pipe = {}) {
    auto [near, far] = test::make_memory_pipe(clock_, pipe);
    const identity::Svid svid = ca_.svid("/client");
    auto client = std::make_unique<RawPeer>(std::move(near), false, &svid);
    std::optional<Outcome> accepted;
    gate_.spawn(store(
        accept(std::move(far), server_context(ca_.snapshot("/server")), clock_, clock_.now() + 10s),
        accepted));
    EXPECT_TRUE(run(client->handshake()));
    clock_.run_until([&] { return accepted.has_value(); }, 1min);
    return {std::move(client), std::move(**accepted)};
  }
};

TEST_F(StreamTest, EveryByteArrivesBothWaysAtOnceHoweverItIsCut) {
  struct Case {
    std::size_t size, piece, buffer, read_max, write_max, capacity;
  };
  const Case cases[] = {
      {0, 1, 1, SIZE_MAX, SIZE_MAX, 65536},
      {1, 1, 1, SIZE_MAX, SIZE_MAX, 65536},
      {5000, 1, 16, 7, SIZE_MAX, 65536},
      {16383, 16383, 16384, SIZE_MAX, SIZE_MAX, 65536},
      {16384, 16384, 100, SIZE_MAX, SIZE_MAX, 65536},
      {16385, 16385, 100000, SIZE_MAX, SIZE_MAX, 65536},
      {300000, 300000, 65536, SIZE_MAX, SIZE_MAX, 1000},
      {300000, 1000, 65536, 4096, 5, 65536},
      {1000000, 32769, 4095, 16901, 16640, 20000},
  };
  unsigned seed = 0;
  for (const Case& shape : cases) {
    SCOPED_TRACE(shape.size);
    test::PipeOptions pipe;
    pipe.read_max = shape.read_max;
    pipe.write_max = shape.write_max;
    pipe.capacity = shape.capacity;
    pipe.short_permille = 300;
    pipe.seed = ++seed;
    const auto [client, server] = connection(pipe);
    const std::string up = pattern(shape.size, seed);
    const std::string down = pattern(shape.size / 2, seed + 100);
    std::optional<Result<void>> sent_up;
    std::optional<Result<void>> sent_down;
    std::optional<Result<std::string>> got_up;
    std::optional<Result<std::string>> got_down;
    gate_.spawn(store(write_pieces(*client, up, shape.piece), sent_up));
    gate_.spawn(store(write_pieces(*server, down, shape.piece), sent_down));
    gate_.spawn(store(read_to_end(*server, shape.buffer), got_up));
    gate_.spawn(store(read_to_end(*client, shape.buffer), got_down));
    clock_.run_until([&] { return sent_up && sent_down && got_up && got_down; });
    ASSERT_TRUE(sent_up && sent_down && got_up && got_down);
    EXPECT_TRUE(*sent_up && *sent_down);
    ASSERT_TRUE(*got_up && *got_down);
    EXPECT_TRUE(**got_up == up);
    EXPECT_TRUE(**got_down == down);
  }
}

TEST_F(StreamTest, OneReadTakesManySmallRecords) {
  const auto [client, server] = connection();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(run(client->write("0123456789")));
  EXPECT_EQ(read(*server, 65)->size(), 65U);
  EXPECT_EQ(read(*server, 65)->size(), 35U);
}

TEST_F(StreamTest, CloseNotifyIsTheEndAndTheOtherSideGoesOn) {
  const auto [client, server] = connection();
  ASSERT_TRUE(run(client->write("question")));
  ASSERT_TRUE(run(client->shutdown()));
  ASSERT_TRUE(run(client->shutdown()));
  EXPECT_EQ(read(*server), "question");
  EXPECT_EQ(read(*server), "");
  EXPECT_EQ(read(*server), "");
  ASSERT_TRUE(run(server->write(pattern(50000, 1))));
  ASSERT_TRUE(run(server->shutdown()));
  const auto answer = run(read_to_end(*client, 1000));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer == pattern(50000, 1));
  expect_fails(run(client->write("more")), Code::kReset, "our side has ended");
}

TEST_F(StreamTest, EndWithoutCloseNotifyIsACut) {
  auto peers = with_raw_client();
  ASSERT_TRUE(run(peers.client->write("half a mess")));
  ASSERT_TRUE(run(peers.client->stream().shutdown()));
  EXPECT_EQ(read(*peers.server), "half a mess");
  expect_fails(read(*peers.server), Code::kReset, "without close_notify");
}

TEST_F(StreamTest, HalfARecordIsACut) {
  auto peers = with_raw_client();
  SSL_write(peers.client->ssl(), "secret", 6);
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(SSL_get_wbio(peers.client->ssl()), &bytes, &size);
  const std::string record(reinterpret_cast<const char*>(bytes), size);
  ASSERT_TRUE(run(peers.client->stream().write(record.substr(0, record.size() - 1))));
  ASSERT_TRUE(run(peers.client->stream().shutdown()));
  expect_fails(read(*peers.server), Code::kReset, "without close_notify");
}

TEST_F(StreamTest, ChangedByteEndsItForBothSides) {
  auto peers = with_raw_client();
  SSL_write(peers.client->ssl(), "secret", 6);
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(SSL_get_wbio(peers.client->ssl()), &bytes, &size);
  std::string record(reinterpret_cast<const char*>(bytes), size);
  record.back() ^= 1;
  ASSERT_TRUE(run(peers.client->stream().write(record)));
  expect_fails(read(*peers.server), Code::kReset, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC");
  expect_fails(read(*peers.server), Code::kReset, "BAD_RECORD_MAC");
  expect_fails(run(peers.server->write("x")), Code::kReset, "BAD_RECORD_MAC");
  EXPECT_EQ(run(peers.client->read()), "");
  EXPECT_EQ(peers.client->error(), "SSLV3_ALERT_BAD_RECORD_MAC");
}

TEST_F(StreamTest, DataBeforeAFailureIsStillRead) {
  auto peers = with_raw_client();
  SSL_write(peers.client->ssl(), "good", 4);
  SSL_write(peers.client->ssl(), "evil", 4);
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(SSL_get_wbio(peers.client->ssl()), &bytes, &size);
  std::string records(reinterpret_cast<const char*>(bytes), size);
  records.back() ^= 1;
  ASSERT_TRUE(run(peers.client->stream().write(records)));
  EXPECT_EQ(read(*peers.server), "good");
  expect_fails(read(*peers.server), Code::kReset, "BAD_RECORD_MAC");
}

TEST_F(StreamTest, AlertInTheMiddleNamesItself) {
  auto peers = with_raw_client();
  ASSERT_TRUE(run(peers.client->write("x")));
  EXPECT_EQ(read(*peers.server), "x");
  SSL_send_fatal_alert(peers.client->ssl(), SSL_AD_INTERNAL_ERROR);
  run(peers.client->send());
  expect_fails(read(*peers.server), Code::kReset, "internal error");
}

TEST_F(StreamTest, KeyUpdatesAreFollowed) {
  auto peers = with_raw_client();
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(SSL_key_update(peers.client->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_TRUE(run(peers.client->write("up")));
    EXPECT_EQ(read(*peers.server), "up");
    ASSERT_TRUE(run(peers.server->write("down")));
    EXPECT_EQ(run(peers.client->read()), "down");
  }
}

TEST_F(StreamTest, EndlessKeyUpdatesAreRefused) {
  auto peers = with_raw_client();
  for (int i = 0; i < 100; ++i) {
    SSL_key_update(peers.client->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(peers.client->ssl());
    SSL_write(peers.client->ssl(), "", 0);
    run(peers.client->send());
  }
  expect_fails(read(*peers.server), Code::kReset, "TOO_MANY");
}

TEST_F(StreamTest, DeadlineEndsReadsAndWrites) {
  test::PipeOptions pipe;
  pipe.capacity = 40000;
  const auto [client, server] = connection(pipe);
  const Clock::Time begun = clock_.now();
  server->set_deadline(begun + 5s);
  expect_fails(read(*server), Code::kTimeout, "");
  EXPECT_EQ(clock_.now() - begun, 5s);
  expect_fails(run(server->write("late")), Code::kTimeout, "");

  client->set_deadline(clock_.now() + 5s);
  expect_fails(run(client->write(pattern(100000, 1))), Code::kTimeout, "");
}

TEST_F(StreamTest, HandshakesDeadlineDoesNotOutliveIt) {
  const auto [client, server] = connection();
  clock_.advance(1h);
  expect_both_ways(*client, *server);
}

TEST_F(StreamTest, CloseCancelsWhatIsPending) {
  const auto [client, server] = connection();
  std::array<char, 10> buffer{};
  std::optional<Result<std::size_t>> got;
  gate_.spawn(store(server->read_some(buffer), got));
  clock_.run_ready();
  EXPECT_FALSE(got);
  server->close();
  server->close();
  clock_.run_ready();
  ASSERT_TRUE(got);
  expect_fails(*got, Code::kCancelled, "");
  expect_fails(read(*client), Code::kReset, "");
}

TEST_F(StreamTest, FailedReadDoesNotHangOnAPeerThatReadsNothing) {
  // A record that calls for an alert comes while our output is stuck.
  test::PipeOptions pipe;
  pipe.capacity = 3000;
  auto peers = with_raw_client(pipe);
  std::optional<Result<void>> stuck;
  std::optional<Result<std::string>> failed;
  gate_.spawn(store(write_pieces(*peers.server, pattern(100000, 1), 100000), stuck));
  gate_.spawn(store(read_to_end(*peers.server, 100), failed));
  clock_.run_ready();
  EXPECT_FALSE(stuck || failed);
  const Clock::Time begun = clock_.now();
  ASSERT_TRUE(run(
      peers.client->stream().write(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'))));
  clock_.run_until([&] { return stuck && failed; }, 1h);
  ASSERT_TRUE(stuck && failed);
  expect_fails(*failed, Code::kReset, "BAD_RECORD_MAC");
  expect_fails(*stuck, Code::kTimeout, "");
  EXPECT_LE(clock_.now() - begun, 1s);
}

}  // namespace
}  // namespace mandated::tls
