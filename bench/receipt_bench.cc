// What a receipt costs: cold chains of three and of ten beside the bare signature checks that they
// contain, a cached chain with the check of a call, a proof, a status list, and the JSON parser.
// The ratios that the project promises are printed at the end of the same run.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>

#include "filters/receipt/batch.h"
#include "filters/receipt/chain.h"
#include "filters/receipt/issue.h"
#include "filters/receipt/key.h"
#include "filters/status/token.h"
#include "proxy/base/file.h"
#include "proxy/main/receipt_stream.h"

namespace mandated::receipt {
namespace {

constexpr Seconds kNow = 1'780'000'000;
constexpr std::string_view kArguments = R"({"path":"/srv/reports/q3.pdf","head":20})";

json::Document parse(std::string_view text) { return std::move(*json::Document::parse(text)); }

constexpr std::size_t kShort = 3;
constexpr std::size_t kLong = 10;

// The grant of the main job: three actions on five files, narrowed twice and then handed on.
constexpr std::string_view kTools[] = {
    R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/srv/reports"},
                     "head":{"constraint_type":"range","min":1,"max":1000}},
        "get_file_info":{"path":{"constraint_type":"path_containment","root":"/srv/reports"}},
        "list_directory":{"path":{"constraint_type":"path_containment","root":"/srv/reports"}}})",
    R"({"read_file":{"path":{"constraint_type":"one_of","values":["/srv/reports/q1.pdf","/srv/reports/q2.pdf",
                             "/srv/reports/q3.pdf","/srv/reports/q4.pdf","/srv/reports/year.pdf"]},
                     "head":{"constraint_type":"range","min":1,"max":100}},
        "list_directory":{"path":{"constraint_type":"exact","value":"/srv/reports"}}})",
    R"({"read_file":{"path":{"constraint_type":"one_of","values":["/srv/reports/q3.pdf","/srv/reports/q4.pdf"]},
                     "head":{"constraint_type":"range","min":1,"max":50}}})"};

constexpr std::string_view kMandate =
    R"({"user":"mailto:jane@example.com","intent":"Summarise the quarterly reports","aud":["spiffe://example/files"]})";

struct Fixture {
  std::vector<PrivateKey> keys;
  std::vector<std::string> tokens;
  AnchorSet anchors;

  Fixture(KeyType type, std::size_t length) : Fixture(PrivateKey::generate(type), type, length) {}
  Fixture(const PrivateKey& issuer, KeyType type, std::size_t length) : keys{issuer} {
    for (std::size_t at = 0; at < length; ++at) keys.push_back(PrivateKey::generate(type));
    anchors = AnchorSet({Anchor{"jane", keys[0].public_key(), std::nullopt}});
    for (std::size_t hop = 0; hop < length; ++hop) {
      const Grant grant{std::string(kTools[std::min<std::size_t>(hop, 2)]),
                        std::string(kMandate),
                        keys[hop + 1].public_key(),
                        kNow,
                        kNow + 3600 - static_cast<double>(hop),
                        12};
      tokens.push_back(hop == 0 ? *issue_root(grant, "https://issuer.example", keys[0], "jane")
                                : *derive(views(), grant, keys[hop]));
    }
  }

  std::vector<std::string_view> views() const { return {tokens.begin(), tokens.end()}; }
};

const Fixture& fixture(KeyType type, std::size_t length = kShort) {
  static std::map<std::pair<KeyType, std::size_t>, Fixture> made;
  return made.try_emplace({type, length}, type, length).first->second;
}

// The signatures of the chain, checked and nothing else.
void bare_signatures(benchmark::State& state, KeyType type, std::size_t length) {
  const Fixture& made = fixture(type, length);
  std::vector<std::string> inputs;
  std::vector<std::string> signatures;
  for (std::size_t hop = 0; hop < length; ++hop) {
    inputs.push_back(made.tokens[hop].substr(0, made.tokens[hop].rfind('.')));
    signatures.push_back(made.keys[hop].sign(inputs.back()));
  }
  for (auto _ : state) {
    for (std::size_t hop = 0; hop < length; ++hop) {
      if (!made.keys[hop].public_key().verify(inputs[hop], signatures[hop]))
        state.SkipWithError("bad signature");
    }
  }
}

void cold_chain(benchmark::State& state, KeyType type, std::size_t length) {
  const Fixture& made = fixture(type, length);
  const auto views = made.views();
  for (auto _ : state) {
    auto verified = verify_chain(views, made.anchors, kNow);
    if (!verified) state.SkipWithError(verified.error().sentence.c_str());
    benchmark::DoNotOptimize(verified);
  }
}

void cached_chain(benchmark::State& state) {
  const Fixture& made = fixture(KeyType::kEd25519);
  const auto views = made.views();
  const auto arguments = parse(kArguments);
  ChainCache cache;
  for (auto _ : state) {
    auto verified = cache.verify(views, made.anchors, kNow);
    if (!verified || !check_call(**verified, "read_file", arguments.root()))
      state.SkipWithError("refused");
    benchmark::DoNotOptimize(verified);
  }
}

void check_call_only(benchmark::State& state) {
  const Fixture& made = fixture(KeyType::kEd25519);
  const auto chain = *verify_chain(made.views(), made.anchors, kNow);
  const auto arguments = parse(kArguments);
  for (auto _ : state) {
    auto checked = check_call(*chain, "read_file", arguments.root());
    if (!checked) state.SkipWithError("refused");
    benchmark::DoNotOptimize(checked);
  }
}

void proof(benchmark::State& state) {
  const Fixture& made = fixture(KeyType::kEd25519);
  const auto chain = *verify_chain(made.views(), made.anchors, kNow);
  const auto arguments = parse(kArguments);
  const std::string proven =
      prove(*chain, made.keys[3], "read_file", arguments.root(), "spiffe://example/files", kNow);
  for (auto _ : state) {
    auto verified = verify_proof(*chain, proven, "read_file", arguments.root(), {}, kNow);
    if (!verified) state.SkipWithError(verified.error().sentence.c_str());
    benchmark::DoNotOptimize(verified);
  }
}

void bare_proof_signature(benchmark::State& state) {
  const Fixture& made = fixture(KeyType::kEd25519);
  const auto chain = *verify_chain(made.views(), made.anchors, kNow);
  const std::string proven = prove(*chain, made.keys[3], "read_file", parse(kArguments).root(),
                                   "spiffe://example/files", kNow);
  const std::string input = proven.substr(0, proven.rfind('.'));
  const std::string signature = made.keys[3].sign(input);
  for (auto _ : state) {
    if (!made.keys[3].public_key().verify(input, signature)) state.SkipWithError("bad signature");
  }
}

// Lines of `receipt verify --batch`, as from as many agents of one person: no chain stands twice.
struct Batch {
  std::vector<std::string> lines;
  std::vector<std::tuple<PublicKey, std::string, std::string>> checks;

  Batch() {
    constexpr std::size_t kLines = 64;
    const auto arguments = parse(kArguments);
    for (std::size_t at = 0; at < kLines; ++at) {
      const Fixture made(fixture(KeyType::kEd25519).keys[0], KeyType::kEd25519, kShort);
      const auto chain = *verify_chain(made.views(), made.anchors, kNow);
      const std::string proven = prove(*chain, made.keys[3], "read_file", arguments.root(),
                                       "spiffe://example/files", kNow);
      lines.push_back(R"({"id":"7","chain":[")" + made.tokens[0] + R"(",")" + made.tokens[1] +
                      R"(",")" + made.tokens[2] + R"("],"anchors":{"keys":[)" +
                      made.keys[0].public_key().jwk() + R"(]},"tool":"read_file","args":)" +
                      std::string(kArguments) + R"(,"pop":")" + proven +
                      R"(","aud":"spiffe://example/files","now":1780000000})");
      for (std::size_t hop = 0; hop <= kShort; ++hop) {
        const std::string& token = hop == kShort ? proven : made.tokens[hop];
        const std::string input = token.substr(0, token.rfind('.'));
        checks.emplace_back(made.keys[hop].public_key(), input, made.keys[hop].sign(input));
      }
    }
  }
};

void batch_of(benchmark::State& state, bool signatures_only) {
  const Batch batch;
  for (auto _ : state) {
    if (signatures_only) {
      for (const auto& [key, input, signature] : batch.checks) {
        if (!key.verify(input, signature)) state.SkipWithError("bad signature");
      }
      continue;
    }
    BatchVerifier verifier;
    std::string answers;
    for (const std::string& line : batch.lines) verifier.answer(line, kNow, answers);
    if (answers.find("false") != std::string::npos) state.SkipWithError(answers.c_str());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(batch.lines.size()) * state.iterations());
}

// The whole command, from a file: so many lines that its threads' beginning does not count. Each
// chain comes back, but not before the caches have forgotten it.
void batch_file(benchmark::State& state, unsigned threads) {
  constexpr std::size_t kTimes = 16;
  const int input = ::memfd_create("lines", MFD_CLOEXEC);
  const int output = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::size_t lines = 0;
  for (std::size_t at = 0; at < kTimes; ++at) {
    for (const std::string& line : Batch().lines) {
      if (!write_all(input, line + "\n")) state.SkipWithError("cannot write");
      ++lines;
    }
  }
  for (auto _ : state) {
    if (::lseek(input, 0, SEEK_SET) != 0 ||
        !answer_lines(input, output, threads, [] { return kNow; })) {
      state.SkipWithError("cannot answer");
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(lines) * state.iterations());
  ::close(input);
  ::close(output);
}

// Everything that one call costs whoever sees its chain for the first time (bench/tokens/run).
void whole_call(benchmark::State& state, bool with_proof) {
  const Fixture& made = fixture(KeyType::kEd25519);
  const auto views = made.views();
  const std::string proven = prove(**verify_chain(views, made.anchors, kNow), made.keys[3],
                                   "read_file", parse(kArguments).root(), {}, kNow);
  for (auto _ : state) {
    const auto arguments = parse(kArguments);
    const auto verified = verify_chain(views, made.anchors, kNow);
    if (!verified || !check_call(**verified, "read_file", arguments.root()))
      state.SkipWithError("refused");
    if (with_proof && !verify_proof(**verified, proven, "read_file", arguments.root(), {}, kNow))
      state.SkipWithError("bad proof");
  }
}

// A tools/call of about 600 bytes.
std::string call_body() {
  std::string body =
      R"({"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search","arguments":{)";
  for (int at = 0; at < 12; ++at) {
    body += (at == 0 ? "\"field_" : ",\"field_") + std::to_string(at) + "\":\"some ordinary text " +
            std::to_string(at) + "\"";
  }
  return body + R"(,"limit":20,"exact":false},"_meta":{"progressToken":3}}})";
}

void parse_call(benchmark::State& state) {
  const std::string body = call_body();
  for (auto _ : state) {
    auto document = json::Document::parse(body);
    benchmark::DoNotOptimize(document);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(body.size()) * state.iterations());
}

void canonicalise_call(benchmark::State& state) {
  const auto document = parse(call_body());
  for (auto _ : state) benchmark::DoNotOptimize(json::canonical(document.root()));
}

// A million receipts, one in a hundred of them revoked; which ones looks random and is not.
constexpr std::uint64_t kListEntries = 1'000'000;
constexpr const char* kListUri = "https://issuer.example/lists/1";

std::string status_token() {
  auto list = *status::StatusList::make(1, kListEntries);
  std::uint64_t index = 1;
  for (std::uint64_t revoked = 0; revoked < kListEntries / 100;) {
    index = (index * 6364136223846793005U + 1442695040888963407U);
    const std::uint64_t at = (index >> 33U) % kListEntries;
    if (*list.get(at) != status::kValid) continue;
    if (list.set(at, status::kInvalid)) ++revoked;
  }
  return *status::issue_status_list({kListUri, kNow, {}, kNow + 86400, 60, std::move(list)},
                                    fixture(KeyType::kEd25519).keys[0]);
}

void status_list_verified(benchmark::State& state) {
  const std::string token = status_token();
  for (auto _ : state) {
    auto verified =
        status::verify_status_list(token, kListUri, fixture(KeyType::kEd25519).anchors, kNow);
    if (!verified) state.SkipWithError(verified.error().sentence.c_str());
    benchmark::DoNotOptimize(verified);
  }
  state.counters["token_bytes"] = static_cast<double>(token.size());
}

void status_list_issued(benchmark::State& state) {
  const auto published = *status::inspect_status_list(status_token());
  for (auto _ : state) {
    auto token = status::issue_status_list(published, fixture(KeyType::kEd25519).keys[0]);
    benchmark::DoNotOptimize(token);
  }
}

void status_looked_up(benchmark::State& state) {
  const auto published = *status::inspect_status_list(status_token());
  std::uint64_t index = 0;
  for (auto _ : state) {
    index = (index + 7919) % kListEntries;
    benchmark::DoNotOptimize(status::check_entry(published.list, index));
  }
}

BENCHMARK_CAPTURE(bare_signatures, ed25519_3, KeyType::kEd25519, kShort);
BENCHMARK_CAPTURE(cold_chain, ed25519_3, KeyType::kEd25519, kShort);
BENCHMARK_CAPTURE(bare_signatures, ed25519_10, KeyType::kEd25519, kLong);
BENCHMARK_CAPTURE(cold_chain, ed25519_10, KeyType::kEd25519, kLong);
BENCHMARK_CAPTURE(bare_signatures, es256_3, KeyType::kP256, kShort);
BENCHMARK_CAPTURE(cold_chain, es256_3, KeyType::kP256, kShort);
BENCHMARK(cached_chain);
BENCHMARK(check_call_only);
BENCHMARK_CAPTURE(batch_of, its_signatures, true);
BENCHMARK_CAPTURE(batch_of, lines, false);
BENCHMARK_CAPTURE(batch_file, one_thread, 1)->UseRealTime();
BENCHMARK_CAPTURE(batch_file, two_threads, 2)->UseRealTime();
BENCHMARK(bare_proof_signature);
BENCHMARK(proof);
BENCHMARK_CAPTURE(whole_call, with_proof, true);
BENCHMARK_CAPTURE(whole_call, without_proof, false);
BENCHMARK(status_list_verified);
BENCHMARK(status_list_issued);
BENCHMARK(status_looked_up);
BENCHMARK(parse_call);
BENCHMARK(canonicalise_call);

// Keeps the best time of each benchmark, for the ratios.
class Recorder : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.error_occurred || run.run_type != Run::RT_Iteration) continue;
      const double time = run.run_name.time_type == "real_time" ? run.GetAdjustedRealTime()
                                                                : run.GetAdjustedCPUTime();
      const auto [at, inserted] = best_.emplace(run.run_name.function_name, time);
      if (!inserted) at->second = std::min(at->second, time);
    }
  }

  void print_ratios() const {
    const auto ratio = [&](const char* what, const char* of, const char* to, double target) {
      if (!best_.contains(of) || !best_.contains(to)) return;
      std::printf("%-44s %6.3f (target %.2f)\n", what, best_.at(of) / best_.at(to), target);
    };
    std::printf("\n");
    ratio("cold chain of 3 / its 3 Ed25519 checks", "cold_chain/ed25519_3",
          "bare_signatures/ed25519_3", 1.1);
    ratio("cold chain of 10 / its 10 Ed25519 checks", "cold_chain/ed25519_10",
          "bare_signatures/ed25519_10", 1.1);
    ratio("cold chain of 3 / its 3 ES256 checks", "cold_chain/es256_3", "bare_signatures/es256_3",
          1.1);
    ratio("batch of cold lines / their 4 Ed25519 checks", "batch_of/lines",
          "batch_of/its_signatures", 1.1);
    ratio("a file of lines, one thread / two threads", "batch_file/one_thread",
          "batch_file/two_threads", 2);
    ratio("proof / its Ed25519 check", "proof", "bare_proof_signature", 1.1);
    if (best_.contains("cached_chain")) {
      std::printf("%-44s %6.3f us (target 1.0)\n", "cached chain of 3 and check_call",
                  best_.at("cached_chain") / 1000);
    }
  }

 private:
  std::map<std::string, double> best_;
};

}  // namespace
}  // namespace mandated::receipt

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  mandated::receipt::Recorder recorder;
  benchmark::RunSpecifiedBenchmarks(&recorder);
  recorder.print_ratios();
  return 0;
}
