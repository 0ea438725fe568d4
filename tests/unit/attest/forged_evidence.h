// Evidence that is whole and rightly signed, under an authority of the test's own, but for what a
// test changes before it is put together.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/attest/evidence.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::attest {

using test::TestCa;
using test::TestCertificate;
using test::TestKey;

/// r ‖ s, each of `half` bytes.
inline std::string ecdsa(EVP_PKEY* key, const EVP_MD* digest, std::string_view message,
                         std::size_t half) {
  bssl::ScopedEVP_MD_CTX context;
  std::string der(256, '\0');
  std::size_t size = der.size();
  EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key), 1);
  EXPECT_EQ(EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(der.data()), &size,
                           reinterpret_cast<const std::uint8_t*>(message.data()), message.size()),
            1);
  const bssl::UniquePtr<ECDSA_SIG> pair(
      ECDSA_SIG_from_bytes(reinterpret_cast<const std::uint8_t*>(der.data()), size));
  std::string out(2 * half, '\0');
  auto* bytes = reinterpret_cast<std::uint8_t*>(out.data());
  EXPECT_EQ(BN_bn2bin_padded(bytes, half, ECDSA_SIG_get0_r(pair.get())), 1);
  EXPECT_EQ(BN_bn2bin_padded(bytes + half, half, ECDSA_SIG_get0_s(pair.get())), 1);
  return out;
}

inline const Clock::WallTime kNow = TestCa::sim_start();

inline std::function<void(TestCertificate&)> with_key(
    TestKey key, std::function<void(TestCertificate&)> lie = {}) {
  return [key, lie = std::move(lie)](TestCertificate& says) {
    says.key = key;
    if (lie) lie(says);
  };
}

// CBOR, written by hand so that it can be written wrong.
inline std::string head(unsigned major, std::size_t value) {
  std::string out;
  const auto put = [&](unsigned code, int size) {
    out += static_cast<char>((major << 5U) | code);
    for (int i = size; i-- > 0;) out += static_cast<char>(value >> (8 * i));
  };
  if (value < 24) {
    put(static_cast<unsigned>(value), 0);
  } else if (value <= 0xFF) {
    put(24, 1);
  } else if (value <= 0xFFFF) {
    put(25, 2);
  } else if (value <= 0xFFFFFFFF) {
    put(26, 4);
  } else {
    put(27, 8);
  }
  return out;
}
inline std::string bytes(std::string_view content) {
  return head(2, content.size()).append(content);
}
inline std::string text(std::string_view content) {
  return head(3, content.size()).append(content);
}
inline std::string list(const std::vector<std::string>& items, unsigned major = 4) {
  std::string out = head(major, items.size() / (major == 5 ? 2 : 1));
  for (const std::string& item : items) out += item;
  return out;
}

inline const std::string kHolder(32, 'h');
inline const std::string kNonce = "n-1";

// A document and its envelope, in parts that a test can change before they are put together.
struct Nitro {
  Clock::WallTime now;
  TestCa ca{"test.example", now, TestKey::kP384};
  TestCa zone = ca.intermediate({}, TestKey::kP384);
  identity::Svid leaf = zone.svid("/enclave", with_key(TestKey::kP384));
  std::vector<std::pair<std::string, std::string>> members;  // name and CBOR
  std::string protected_header = "\xA1\x01\x38\x22";
  std::string unprotected = list({}, 5);
  std::string signed_payload;  // empty: what is sent
  std::string more;            // a fifth element
  std::string before;
  std::string after;
  bool endless = false;
  TestKey signer = TestKey::kP384;

  explicit Nitro(Clock::WallTime made = kNow) : now(made) {
    std::vector<std::string> pcrs;
    for (std::size_t i = 0; i < 16; ++i) {
      pcrs.push_back(head(0, i));
      pcrs.push_back(bytes(std::string(48, i < 5 ? static_cast<char>('a' + i) : '\0')));
    }
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
    members = {{"module_id", text("i-0-enc1")},
               {"digest", text("SHA384")},
               {"timestamp", head(0, static_cast<std::size_t>(milliseconds))},
               {"pcrs", list(pcrs, 5)},
               {"certificate", bytes(leaf.chain_der.front())},
               {"cabundle", list({bytes(ca.certificate_der()), bytes(zone.certificate_der())})},
               {"public_key", "\xF6"},
               {"user_data", bytes(kHolder)},
               {"nonce", bytes(kNonce)}};
  }
  std::string& member(std::string_view name) {
    for (auto& [each, value] : members) {
      if (each == name) return value;
    }
    return members.emplace_back(name, "").second;
  }
  void drop(std::string_view name) {
    std::erase_if(members, [&](const auto& each) { return each.first == name; });
  }
  void use(identity::Svid other) {
    leaf = std::move(other);
    member("certificate") = bytes(leaf.chain_der.front());
  }
  std::string payload() const {
    std::string out = endless ? "\xBF" : head(5, members.size());
    for (const auto& [name, value] : members) out += text(name) + value;
    return endless ? out + "\xFF" : out;
  }
  std::string document() const {
    const std::string sent = payload();
    const std::string structure = list({text("Signature1"), bytes(protected_header), bytes(""),
                                        bytes(signed_payload.empty() ? sent : signed_payload)});
    std::string signature;
    if (signer == TestKey::kP384) {
      signature = ecdsa(leaf.private_key.get(), EVP_sha384(), structure, 48);
    } else {
      signature = ecdsa(leaf.private_key.get(), EVP_sha256(), structure, 32);
    }
    std::vector<std::string> elements = {bytes(protected_header), unprotected, bytes(sent),
                                         bytes(signature)};
    if (!more.empty()) elements.push_back(more);
    return before + list(elements) + after;
  }
  Result<Statement> verify() const {
    const auto verifier = make_nitro_verifier({ca.certificate_der()});
    return (*verifier)->verify(document(), now);
  }
};

}  // namespace mandated::attest
