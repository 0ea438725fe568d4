#include "proxy/attest/cgroup.h"

#include <algorithm>
#include <array>
#include <vector>

namespace mandated::attest {

namespace {

constexpr std::size_t kLinesMax = 64;
constexpr std::size_t kSegmentsMax = 64;

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_container_id(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_lower_hex);
}

/// A UUID, or the 32 digits by which static pods go. systemd's names have '_' in place of '-'.
std::optional<std::string> read_pod_uid(std::string_view text) {
  std::string uid(text);
  std::replace(uid.begin(), uid.end(), '_', '-');
  for (std::size_t i = 0; i < uid.size(); ++i) {
    const bool dash = uid.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (dash ? uid[i] != '-' : !is_lower_hex(uid[i])) return std::nullopt;
  }
  if (uid.size() != 36 && uid.size() != 32) return std::nullopt;
  return uid;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// What follows `prefix`, where `text` begins with it and ends with `suffix`.
std::optional<std::string_view> between(std::string_view text, std::string_view prefix,
                                        std::string_view suffix) {
  if (text.size() < prefix.size() + suffix.size() || !text.starts_with(prefix) ||
      !text.ends_with(suffix)) {
    return std::nullopt;
  }
  text.remove_prefix(prefix.size());
  text.remove_suffix(suffix.size());
  return text;
}

struct Place {
  std::string container;
  bool docker = false;
  std::string pod;
};

/// "docker-<id>.scope", "cri-containerd-<id>.scope", …, or the bare id of the cgroupfs driver.
bool read_container(std::string_view segment, Place& out) {
  if (is_container_id(segment)) {
    out.container = segment;
    return true;
  }
  for (const std::string_view runtime : {"docker-", "cri-containerd-", "crio-", "libpod-"}) {
    const auto id = between(segment, runtime, ".scope");
    if (!id || !is_container_id(*id)) continue;
    out.container = *id;
    out.docker = runtime == "docker-";
    return true;
  }
  return false;
}

/// "kubepods[-besteffort|-burstable]-pod<uid>.slice", or "pod<uid>" of the cgroupfs driver.
std::optional<std::string> read_pod(std::string_view segment) {
  for (const std::string_view prefix :
       {"kubepods-pod", "kubepods-burstable-pod", "kubepods-besteffort-pod"}) {
    for (const std::string_view kubelet : {"", "kubelet-"}) {
      const auto uid = between(segment, std::string(kubelet) + std::string(prefix), ".slice");
      if (uid) return read_pod_uid(*uid);
    }
  }
  const auto uid = between(segment, "pod", "");
  return uid ? read_pod_uid(*uid) : std::nullopt;
}

bool is_quality_of_service(std::string_view segment) {
  constexpr std::array kNames{std::string_view("burstable"),
                              std::string_view("besteffort"),
                              std::string_view("kubepods-burstable.slice"),
                              std::string_view("kubepods-besteffort.slice"),
                              std::string_view("kubelet-kubepods-burstable.slice"),
                              std::string_view("kubelet-kubepods-besteffort.slice")};
  return std::find(kNames.begin(), kNames.end(), segment) != kNames.end();
}

/// Below the kubelet's own slice: [quality of service/]pod/container.
void read_kubepods(const std::vector<std::string_view>& segments, std::size_t at, Place& out) {
  if (at < segments.size() && is_quality_of_service(segments[at])) ++at;
  if (at + 1 >= segments.size()) return;
  const std::optional<std::string> pod = read_pod(segments[at]);
  if (pod && read_container(segments[at + 1], out)) out.pod = *pod;
}

Place read_place(std::string_view path) {
  Place place;
  std::vector<std::string_view> segments = split(path.substr(1), '/');
  if (segments.size() > kSegmentsMax) return place;
  const std::string_view first = segments[0];
  const std::string_view second = segments.size() > 1 ? segments[1] : std::string_view();
  if (first == "..") {
    // We are in a cgroup namespace: what is beside or above our own root was named by whoever made
    // the containers. What is further down was not, and the pod's name cannot be seen.
    std::size_t at = 0;
    while (at < segments.size() && segments[at] == "..") ++at;
    if (at < segments.size()) read_container(segments[at], place);
  } else if (first == "kubepods" || first == "kubepods.slice") {
    read_kubepods(segments, 1, place);
  } else if (first == "kubelet.slice" && second == "kubelet-kubepods.slice") {
    read_kubepods(segments, 2, place);
  } else if (first == "docker" && is_container_id(second)) {
    place = {std::string(second), true, {}};
  } else if (first == "system.slice" && second.starts_with("docker-")) {
    read_container(second, place);
  } else if ((first == "machine.slice" && second.starts_with("libpod-")) ||
             (first == "libpod_parent" && second.starts_with("libpod-"))) {
    const auto id = between(second, "libpod-", "");
    if (id && is_container_id(*id)) place.container = *id;
    if (place.container.empty()) read_container(second, place);
  }
  return place;
}

}  // namespace

std::optional<Cgroup> parse_cgroup(std::string_view text) {
  Cgroup found;
  if (text.ends_with('\n')) text.remove_suffix(1);
  const std::vector<std::string_view> lines = split(text, '\n');
  if (lines.size() > kLinesMax) return std::nullopt;
  for (const std::string_view line : lines) {
    // hierarchy-ID:controllers:path; named hierarchies have '=', and a path may hold ':'.
    const std::size_t controllers = line.find(':');
    const std::size_t path =
        controllers == std::string_view::npos ? controllers : line.find(":/", controllers + 1);
    if (path == std::string_view::npos || controllers == 0 ||
        !std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(controllers),
                     [](char c) { return c >= '0' && c <= '9'; })) {
      return std::nullopt;
    }
    const std::string_view whole = line.substr(path + 1);
    if (line.starts_with("0::")) found.path = whole;
    Place place = read_place(whole);
    if (place.container.empty()) continue;
    if (!found.container.empty() &&
        (found.container != place.container || (!found.pod.empty() && found.pod != place.pod))) {
      return std::nullopt;
    }
    found.container = std::move(place.container);
    found.docker = place.docker;
    found.pod = std::move(place.pod);
  }
  return found;
}

}  // namespace mandated::attest
