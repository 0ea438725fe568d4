#include "tests/unit/http/http2_frames.h"

#include <nghttp2/nghttp2.h>

#include <cstdlib>

namespace mandated::http {

namespace {

void append_integer(std::string& out, std::uint8_t first, unsigned prefix, std::size_t value) {
  const std::size_t limit = (1U << prefix) - 1;
  if (value < limit) {
    out += static_cast<char>(first | value);
    return;
  }
  out += static_cast<char>(first | limit);
  value -= limit;
  while (value >= 128) {
    out += static_cast<char>(value % 128 + 128);
    value /= 128;
  }
  out += static_cast<char>(value);
}

std::uint32_t read_number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

std::string number(std::uint32_t value) {
  std::string bytes;
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    bytes += static_cast<char>(value >> (shift - 8) & 255U);
  }
  return bytes;
}

std::string frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  std::string bytes = number(static_cast<std::uint32_t>(payload.size())).substr(1);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  bytes += number(stream);
  bytes += payload;
  return bytes;
}

std::string header_block(const HeaderList& fields) {
  std::string block;
  for (const auto& [name, value] : fields) {
    block += '\0';
    append_integer(block, 0, 7, name.size());
    block += name;
    append_integer(block, 0, 7, value.size());
    block += value;
  }
  return block;
}

std::vector<Frame> split_frames(std::string_view bytes) {
  std::vector<Frame> frames;
  while (bytes.size() >= 9) {
    const std::size_t size = read_number(std::string(1, '\0') + std::string(bytes.substr(0, 3)));
    if (bytes.size() < 9 + size) break;
    frames.push_back(Frame{static_cast<FrameType>(bytes[3]), static_cast<std::uint8_t>(bytes[4]),
                           read_number(bytes.substr(5)), std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return frames;
}

std::int64_t error_code(const std::vector<Frame>& frames, FrameType type, std::uint32_t stream) {
  for (const Frame& each : frames) {
    if (each.type != type || (stream != 0 && each.stream != stream)) continue;
    return read_number(std::string_view(each.payload).substr(type == kGoaway ? 4 : 0));
  }
  return -1;
}

int status_of(const std::vector<Frame>& frames, std::uint32_t stream) {
  nghttp2_hd_inflater* inflater = nullptr;
  if (nghttp2_hd_inflate_new(&inflater) != 0) return 0;
  int status = 0;
  for (const Frame& each : frames) {
    if (each.type != kHeaders) continue;
    const auto* in = reinterpret_cast<const std::uint8_t*>(each.payload.data());
    std::size_t left = each.payload.size();
    int flags = 0;
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
      nghttp2_nv field{};
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, in, left, 1);
      if (taken < 0) break;
      in += taken;
      left -= static_cast<std::size_t>(taken);
      const std::string name(reinterpret_cast<const char*>(field.name), field.namelen);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && name == ":status" && each.stream == stream &&
          status == 0) {
        status = std::atoi(
            std::string(reinterpret_cast<const char*>(field.value), field.valuelen).c_str());
      }
    }
    nghttp2_hd_inflate_end_headers(inflater);
  }
  nghttp2_hd_inflate_del(inflater);
  return status;
}

std::string data_of(const std::vector<Frame>& frames, std::uint32_t stream) {
  std::string data;
  for (const Frame& each : frames) {
    if (each.type == kData && each.stream == stream) data += each.payload;
  }
  return data;
}

}  // namespace mandated::http
