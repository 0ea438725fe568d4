// HTTP/2 frames made by hand, for peers that no library would be: what a hostile client or server
// sends, and what came back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mandated::http {

inline constexpr std::string_view kClientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kAck = 1;
inline constexpr std::uint8_t kEndHeaders = 4;

using HeaderList = std::vector<std::pair<std::string, std::string>>;

std::string frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload);
/// HPACK, all literals without indexing: any name and value, valid or not.
std::string header_block(const HeaderList& fields);
std::string number(std::uint32_t value);

/// A frame that was received. Header blocks are decoded by whoever keeps the HPACK state.
struct Frame {
  FrameType type;
  std::uint8_t flags;
  std::uint32_t stream;
  std::string payload;
};
std::vector<Frame> split_frames(std::string_view bytes);

/// Of the first frame of that type (and stream, if not 0); -1 if there is none. RST_STREAM and
/// GOAWAY only.
std::int64_t error_code(const std::vector<Frame>& frames, FrameType type, std::uint32_t stream = 0);
/// The :status of the stream's first HEADERS frame; 0 if there is none.
int status_of(const std::vector<Frame>& frames, std::uint32_t stream);
/// All DATA of the stream.
std::string data_of(const std::vector<Frame>& frames, std::uint32_t stream);

}  // namespace mandated::http
