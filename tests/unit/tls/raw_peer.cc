#include <openssl/err.h>
#include <openssl/pool.h>

#include <array>

#include "tests/unit/tls/tls_fixture.h"

namespace mandated::tls {

RawPeer::RawPeer(net::StreamPtr stream, bool server, const identity::Svid* svid,
                 const std::function<void(SSL_CTX*)>& rules)
    : stream_(std::move(stream)), context_(SSL_CTX_new(TLS_with_buffers_method())) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER,
                            [](SSL*, std::uint8_t*) { return ssl_verify_ok; });
  const std::array<std::uint16_t, 2> believed{SSL_SIGN_ED25519, SSL_SIGN_ECDSA_SECP256R1_SHA256};
  SSL_CTX_set_verify_algorithm_prefs(context, believed.data(), believed.size());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION*) {
    static_cast<RawPeer*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->sessions_ += 1;
    return 0;
  });
  if (svid != nullptr) {
    const std::string& der = svid->chain_der.front();
    const bssl::UniquePtr<CRYPTO_BUFFER> leaf(
        CRYPTO_BUFFER_new(reinterpret_cast<const std::uint8_t*>(der.data()), der.size(), nullptr));
    CRYPTO_BUFFER* chain[] = {leaf.get()};
    EXPECT_EQ(SSL_CTX_set_chain_and_key(context, chain, 1, svid->private_key.get(), nullptr), 1);
  }
  if (rules) rules(context);
  ssl_.reset(SSL_new(context));
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

void RawPeer::note_error() {
  const std::uint32_t error = ERR_peek_error();
  const char* words = error != 0 ? ERR_reason_error_string(error) : nullptr;
  error_ = words != nullptr ? words : "none";
  ERR_clear_error();
}

Task<bool> RawPeer::send() {
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  BIO* out = SSL_get_wbio(ssl_.get());
  BIO_mem_contents(out, &bytes, &size);
  const std::string records(reinterpret_cast<const char*>(bytes), size);
  BIO_reset(out);
  const Result<void> sent = co_await stream_->write(records);
  co_return sent.has_value();
}

Task<bool> RawPeer::receive() {
  std::array<char, 20000> buffer{};
  const Result<std::size_t> size = co_await stream_->read_some(buffer);
  if (!size || *size == 0) {
    error_ = size ? "end" : "cut";
    co_return false;
  }
  BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(*size));
  co_return true;
}

Task<bool> RawPeer::handshake() {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int state = SSL_get_error(ssl_.get(), done);
    const bool failed = done != 1 && state != SSL_ERROR_WANT_READ;
    if (failed) note_error();
    const bool sent = co_await send();
    if (failed) co_return false;
    if (done == 1) co_return sent;
    if (!co_await receive()) co_return false;
  }
}

Task<std::string> RawPeer::read() {
  std::string buffer(65536, '\0');
  for (;;) {
    ERR_clear_error();
    const int size = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (size > 0) {
      buffer.resize(static_cast<std::size_t>(size));
      co_return buffer;
    }
    if (SSL_get_error(ssl_.get(), size) != SSL_ERROR_WANT_READ) {
      note_error();
      co_return std::string();
    }
    if (!co_await receive()) co_return std::string();
  }
}

Task<bool> RawPeer::write(std::string_view bytes) {
  if (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) co_return false;
  co_return co_await send();
}

}  // namespace mandated::tls
