#include "tests/unit/workload_api/fake_agent.h"

#include <nghttp2/nghttp2.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>

#include <algorithm>
#include <utility>

#include "proxy/workload_api/grpc_frames.h"
#include "tests/unit/http/http2_frames.h"

namespace mandated::test {

namespace {

constexpr std::string_view kService = "/SpiffeWorkloadAPI/";

std::string trailers(std::uint32_t stream, const std::string& status, const std::string& words) {
  http::HeaderList fields = {{"grpc-status", status}};
  if (!words.empty()) fields.emplace_back("grpc-message", words);
  return http::frame(http::kHeaders, http::kEndHeaders | http::kEndStream, stream,
                     http::header_block(fields));
}

}  // namespace

std::string to_pkcs8(const EVP_PKEY* key) {
  bssl::ScopedCBB bytes;
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  MANDATED_ASSERT(CBB_init(bytes.get(), 256) == 1 &&
                  EVP_marshal_private_key(bytes.get(), key) == 1 &&
                  CBB_finish(bytes.get(), &data, &size) == 1);
  const bssl::UniquePtr<std::uint8_t> owner(data);
  return {reinterpret_cast<const char*>(data), size};
}

X509SVID to_message(const identity::Svid& svid, const TestCa& ca, std::string_view hint) {
  X509SVID message;
  message.set_spiffe_id(svid.id.text());
  for (const std::string& der : svid.chain_der) *message.mutable_x509_svid() += der;
  message.set_x509_svid_key(to_pkcs8(svid.private_key.get()));
  message.set_bundle(ca.certificate_der());
  message.set_hint(std::string(hint));
  return message;
}

X509SVIDResponse to_response(const std::vector<X509SVID>& svids) {
  X509SVIDResponse response;
  for (const X509SVID& svid : svids) *response.add_svids() = svid;
  return response;
}

struct FakeAgent::Connection {
  explicit Connection(net::StreamPtr stream_in) : stream(std::move(stream_in)) {
    MANDATED_ASSERT(nghttp2_hd_inflate_new(&inflater) == 0);
  }
  ~Connection() { nghttp2_hd_inflate_del(inflater); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::map<std::string, std::string> inflate(const std::string& block) const {
    std::map<std::string, std::string> fields;
    const auto* next = reinterpret_cast<const std::uint8_t*>(block.data());
    const std::uint8_t* const end = next + block.size();
    while (true) {
      nghttp2_nv field{};
      int flags = 0;
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, next,
                                                   static_cast<std::size_t>(end - next), 1);
      MANDATED_ASSERT(taken >= 0);
      next += taken;
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        fields[std::string(reinterpret_cast<const char*>(field.name), field.namelen)] =
            std::string(reinterpret_cast<const char*>(field.value), field.valuelen);
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return fields;
  }

  net::StreamPtr stream;
  nghttp2_hd_inflater* inflater = nullptr;
  std::string received;
  bool begun = false;
  Asked call;
  std::string outgoing;
  bool writing = false;
  bool headed = false;
  bool ended = false;
};

FakeAgent::FakeAgent(sim::Network& network, SimClock& clock)
    : network_(network), clock_(clock), gate_(clock.executor()) {
  live();
}

FakeAgent::~FakeAgent() {
  die();
  clock_.run_until([this] { return gate_.active() == 0; });
}

void FakeAgent::live() {
  listener_ = network_.listen(*net::Address::parse(kAgentAddress));
  gate_.spawn(accept());
}

void FakeAgent::die() {
  if (listener_) listener_->close();
  for (const auto& connection : connections_) connection->stream->close();
  clock_.run_ready();
}

std::size_t FakeAgent::times_asked(std::string_view method) const {
  return static_cast<std::size_t>(std::count_if(
      asked.begin(), asked.end(), [&](const Asked& one) { return one.method == method; }));
}

Task<void> FakeAgent::accept() {
  while (true) {
    Result<net::StreamPtr> stream = co_await listener_->accept();
    if (!stream) co_return;
    auto connection = std::make_shared<Connection>(std::move(*stream));
    connections_.push_back(connection);
    gate_.spawn(serve(connection));
  }
}

Task<void> FakeAgent::serve(std::shared_ptr<Connection> connection) {
  std::string buffer(65536, '\0');
  while (true) {
    Result<std::size_t> count = co_await connection->stream->read_some(buffer);
    if (!count || *count == 0) break;
    std::string& received = connection->received;
    received.append(buffer, 0, *count);
    if (!connection->begun) {
      if (received.size() < http::kClientPreface.size()) continue;
      received.erase(0, http::kClientPreface.size());
      connection->begun = true;
      send(*connection, http::frame(http::kSettings, 0, 0, ""));
    }
    for (const http::Frame& frame : http::split_frames(received)) {
      received.erase(0, 9 + frame.payload.size());
      if (frame.type == http::kSettings && (frame.flags & http::kAck) == 0) {
        send(*connection, http::frame(http::kSettings, http::kAck, 0, ""));
      }
      if (frame.type == http::kHeaders) {
        connection->call.fields = connection->inflate(frame.payload);
        const std::string& path = connection->call.fields[":path"];
        connection->call.method = path.substr(std::min(path.size(), kService.size()));
      }
      if (frame.type != http::kData) continue;
      connection->call.message += frame.payload;
      if ((frame.flags & http::kEndStream) == 0) continue;
      asked.push_back(connection->call);
      answer(*connection, connection->call);
    }
  }
  connection->stream->close();
  connections_.remove(connection);
}

void FakeAgent::answer(Connection& connection, const Asked& call) {
  if (silent) return;
  const auto found = answers.find(call.method);
  if (found == answers.end()) {
    const http::HeaderList fields = {
        {":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "12"}};
    send(connection, http::frame(http::kHeaders, http::kEndHeaders | http::kEndStream, 1,
                                 http::header_block(fields)));
    connection.ended = true;
    return;
  }
  std::string bytes =
      http::frame(http::kHeaders, http::kEndHeaders, 1,
                  http::header_block({{":status", "200"}, {"content-type", "application/grpc"}}));
  for (const std::string& message : found->second.messages) {
    bytes += http::frame(http::kData, 0, 1, workload_api::frame_message(message));
  }
  if (!found->second.status.empty()) {
    bytes += trailers(1, found->second.status, found->second.words);
    connection.ended = true;
  }
  connection.headed = true;
  send(connection, std::move(bytes));
}

void FakeAgent::push(std::string_view method, const std::string& message) {
  for (const auto& connection : connections_) {
    if (connection->call.method != method || !connection->headed || connection->ended) continue;
    send(*connection, http::frame(http::kData, 0, 1, workload_api::frame_message(message)));
  }
  clock_.run_ready();
}

void FakeAgent::finish(std::string_view method, const std::string& status) {
  for (const auto& connection : connections_) {
    if (connection->call.method != method || !connection->headed || connection->ended) continue;
    send(*connection, trailers(1, status, ""));
    connection->ended = true;
  }
  clock_.run_ready();
}

void FakeAgent::push_raw(const std::string& bytes) {
  for (const auto& connection : connections_) send(*connection, bytes);
  clock_.run_ready();
}

void FakeAgent::send(Connection& connection, std::string bytes) {
  connection.outgoing += bytes;
  if (connection.writing) return;
  connection.writing = true;
  const auto shared = std::find_if(connections_.begin(), connections_.end(),
                                   [&](const auto& one) { return one.get() == &connection; });
  gate_.spawn(write(*shared, {}));
}

Task<void> FakeAgent::write(std::shared_ptr<Connection> connection, std::string bytes) {
  while (!connection->outgoing.empty()) {
    bytes = std::exchange(connection->outgoing, std::string());
    const Result<void> written = co_await connection->stream->write(bytes);
    if (!written) break;
  }
  connection->writing = false;
}

}  // namespace mandated::test
