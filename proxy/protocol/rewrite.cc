#include "proxy/protocol/rewrite.h"

#include <algorithm>

namespace mandated::protocol {

namespace {

void append_name(std::string_view name, std::string& out) {
  if (out.size() > 1) out += ',';
  json::append_quoted(name, out);
  out += ':';
}

}  // namespace

std::string replace_members(const json::Value* object, std::initializer_list<Replacement> changes) {
  std::string out = "{";
  if (object != nullptr) {
    for (const json::Member& member : object->object()) {
      const auto* change =
          std::find_if(changes.begin(), changes.end(),
                       [&](const Replacement& each) { return each.name == member.name; });
      if (change == changes.end()) {
        append_name(member.name, out);
        json::append_canonical(member.value, out);
      } else if (change->text) {
        append_name(member.name, out);
        out += *change->text;
      }
    }
  }
  for (const Replacement& change : changes) {
    if (!change.text || (object != nullptr && object->find(change.name) != nullptr)) continue;
    append_name(change.name, out);
    out += *change.text;
  }
  out += '}';
  return out;
}

}  // namespace mandated::protocol
