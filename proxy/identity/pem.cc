#include "proxy/identity/pem.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include <cstdint>

namespace mandated::identity {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kCertificate = "CERTIFICATE";

std::size_t count_begins(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(kBegin); at != std::string_view::npos;
       at = text.find(kBegin, at + kBegin.size())) {
    ++count;
  }
  return count;
}

}  // namespace

PemBlock::~PemBlock() { OPENSSL_cleanse(der.data(), der.size()); }

Result<std::vector<PemBlock>> parse_pem(std::string_view text) {
  const bssl::UniquePtr<BIO> source(
      BIO_new_mem_buf(text.data(), static_cast<ossl_ssize_t>(text.size())));
  if (!source) return fail(Code::kInternal, "no memory");
  std::vector<PemBlock> blocks;
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    std::uint8_t* data = nullptr;
    long size = 0;
    if (PEM_read_bio(source.get(), &name, &header, &data, &size) != 1) break;
    const bssl::UniquePtr<char> name_owner(name);
    const bssl::UniquePtr<char> header_owner(header);
    const bssl::UniquePtr<std::uint8_t> data_owner(data);
    if (*header != '\0') return fail(Code::kMalformed, "a PEM block with headers");
    blocks.emplace_back(
        name, std::string(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)));
  }
  ERR_clear_error();
  // The reader stops at a damaged block as it does at the end: count what should have been there.
  if (blocks.empty()) return fail(Code::kMalformed, "no PEM block");
  if (blocks.size() != count_begins(text)) return fail(Code::kMalformed, "a damaged PEM block");
  return blocks;
}

Result<std::vector<std::string>> parse_pem_certificates(std::string_view text) {
  TRY(std::vector<PemBlock> blocks, parse_pem(text));
  std::vector<std::string> certificates;
  for (PemBlock& block : blocks) {
    if (block.label != kCertificate) {
      return fail(Code::kMalformed, "a " + block.label + " where only certificates may stand");
    }
    certificates.push_back(std::move(block.der));
  }
  return certificates;
}

std::string to_pem(std::string_view label, std::string_view der) {
  static constexpr std::size_t kLine = 64;
  std::string encoded(der.size() / 3 * 4 + 5, '\0');
  encoded.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(encoded.data()),
                                 reinterpret_cast<const std::uint8_t*>(der.data()), der.size()));
  std::string text = "-----BEGIN " + std::string(label) + "-----\n";
  text.reserve(text.size() + encoded.size() + encoded.size() / kLine + 64);
  for (std::size_t at = 0; at < encoded.size(); at += kLine) {
    text.append(encoded, at, kLine);
    text += '\n';
  }
  text += "-----END " + std::string(label) + "-----\n";
  OPENSSL_cleanse(encoded.data(), encoded.size());  // it may have been a key
  return text;
}

std::string to_pem(const evp_pkey_st* private_key) {
  bssl::ScopedCBB bytes;
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  if (CBB_init(bytes.get(), 256) != 1 || EVP_marshal_private_key(bytes.get(), private_key) != 1 ||
      CBB_finish(bytes.get(), &data, &size) != 1) {
    return {};
  }
  const bssl::UniquePtr<std::uint8_t> owner(data);  // OPENSSL_free wipes what it frees
  return to_pem("PRIVATE KEY", {reinterpret_cast<const char*>(data), size});
}

}  // namespace mandated::identity
