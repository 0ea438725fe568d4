// Bytes that nobody shall find later in memory that was freed: private keys, above all.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace mandated {

/// Overwrites, then empties.
void wipe(std::string& secret);

/// Appends without leaving a copy behind where the text has to move to have room.
void append_secret(std::string& secret, std::string_view more);

/// Wiped when it goes.
class Secret {
 public:
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(bytes_); }

  std::string_view bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace mandated
