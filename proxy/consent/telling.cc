#include "proxy/consent/telling.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "filters/receipt/base64url.h"
#include "filters/receipt/claims.h"
#include "filters/receipt/jose.h"
#include "filters/receipt/mandate.h"
#include "filters/receipt/words.h"
#include "proxy/base/result.h"
#include "proxy/json/writer.h"

namespace mandated::consent {

namespace {

using receipt::Claims;
using receipt::Detail;
using receipt::Mandate;
using receipt::refuse;
using receipt::whole_in_words;
using Code = receipt::Code;

std::string times(std::uint64_t count) {
  return count == 1 ? "once" : std::to_string(count) + " times";
}

// Names as most are need no quotes; all others stand in some, so that their ends are seen.
std::string name_in_words(std::string_view name) {
  constexpr std::string_view kMarks = "_-./:@";
  const bool bare = !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
  return bare ? std::string(name) : whole_in_words(name);
}

std::string listed(const std::vector<std::string>& texts, std::string_view last) {
  std::string words;
  for (std::size_t at = 0; at < texts.size(); ++at) {
    if (at > 0) words += at + 1 == texts.size() ? " " + std::string(last) + " " : ", ";
    words += whole_in_words(texts[at]);
  }
  return words;
}

Section who(const Claims& claims) {
  Section section{"Who will act"};
  const Mandate& mandate = claims.mandate;
  if (mandate.holder) {
    section.lines.push_back({*mandate.holder});
  } else {
    section.lines.push_back({"Any workload that holds the key below: none is named.", {}, true});
  }
  if (mandate.instance) {
    Line line{"Only the one instance of it with"};
    for (const auto& [type, value] : *mandate.instance)
      line.details.push_back(name_in_words(type) + ": " + whole_in_words(value));
    section.lines.push_back(std::move(line));
  } else {
    section.lines.push_back({"Any instance of it."});
  }
  section.lines.push_back({"Its key: " + claims.holder.thumbprint()});
  return section;
}

Line tool_line(const json::Member& tool) {
  Line line{name_in_words(tool.name)};
  if (tool.value.object().empty()) {
    line.details.emplace_back("with any arguments whatever");
    line.wide = true;
  }
  for (const json::Member& argument : tool.value.object()) {
    line.details.push_back(name_in_words(argument.name) + ": " +
                           receipt::constraint_in_words(argument.value, Detail::kWhole));
  }
  return line;
}

// All that it grants: one map of tools.
Checked<const json::Value*> find_tools(const json::Value& payload) {
  TRY(const json::Value* const details, receipt::find_details(payload));
  const json::Value* tools =
      details->array().size() == 1 ? details->array().front().find("tools") : nullptr;
  if (tools != nullptr && tools->is_object()) return tools;
  return refuse(Code::kMalformed, "The receipt grants something that is no list of tools.");
}

Checked<Section> what(const json::Value& tools) {
  Section section{"What it may do"};
  for (const json::Member& tool : tools.object()) {
    if (section.lines.size() == kToolsMax) {
      return refuse(Code::kTooLarge, "The receipt grants more than " + std::to_string(kToolsMax) +
                                         " tools, more than a person can weigh at once.");
    }
    section.lines.push_back(tool_line(tool));
  }
  if (section.lines.empty()) section.lines.push_back({"Nothing."});
  return section;
}

// Whether the figure "TOOL.ARGUMENT" counts anything that is granted.
bool counts(std::string_view figure, const json::Value& tools) {
  const auto objects = tools.object();
  return std::any_of(objects.begin(), objects.end(), [&](const json::Member& tool) {
    const std::size_t size = tool.name.size();
    if (!figure.starts_with(tool.name) || figure.size() <= size || figure[size] != '.')
      return false;
    return tool.value.object().empty() || tool.value.find(figure.substr(size + 1)) != nullptr;
  });
}

// A figure or a requirement for anything else than what is granted would be read as a limit, and
// be none.
Checked<void> check_limits_what_is_granted(const Mandate& mandate, const json::Value& tools) {
  std::vector<std::string_view> idle;
  const auto check = [&](std::string_view name, bool granted) {
    if (!granted) idle.push_back(name);
  };
  for (const auto& entry : mandate.require) check(entry.first, tools.find(entry.first) != nullptr);
  if (mandate.budget) {
    for (const auto& entry : mandate.budget->tools)
      check(entry.first, tools.find(entry.first) != nullptr);
    for (const auto& entry : mandate.budget->sums) check(entry.first, counts(entry.first, tools));
  }
  if (idle.empty()) return {};
  return refuse(Code::kMalformed, "The receipt's mandate limits " + receipt::shown(idle.front()) +
                                      ", which it does not grant.");
}

Section how_often(const Mandate& mandate, const json::Value& tools) {
  constexpr std::string_view kUnbounded = "s often as it likes, as long as the receipt is valid.";
  Section section{"How often"};
  if (!mandate.budget) {
    section.lines.push_back({std::string("A").append(kUnbounded), {}, true});
    return section;
  }
  const receipt::Budget& budget = *mandate.budget;
  if (budget.calls) section.lines.push_back({"At most " + times(*budget.calls) + " in all."});
  for (const auto& [tool, count] : budget.tools)
    section.lines.push_back({name_in_words(tool) + " at most " + times(count) + "."});
  for (const json::Member& tool : tools.object()) {
    if (budget.calls || budget.tools.contains(tool.name)) continue;
    section.lines.push_back({name_in_words(tool.name).append(" a").append(kUnbounded), {}, true});
  }
  for (const auto& [argument, millionths] : budget.sums) {
    section.lines.push_back({name_in_words(argument) + " adding up to at most " +
                             json::number_text(static_cast<double>(millionths) / 1e6) + "."});
  }
  return section;
}

Section until(const Claims& claims) {
  Section section{"Until when"};
  section.time = claims.expires;
  section.lines.push_back({duration_in_words(claims.expires - claims.issued_at) +
                           ", counted from when this was asked for."});
  return section;
}

Section passed_on(const Claims& claims) {
  Section section{"How far it may be passed on"};
  if (claims.depth_max == 0) {
    section.lines.push_back({"Not at all."});
    return section;
  }
  const bool once = claims.depth_max == 1;
  section.lines.push_back(
      {(once ? "Once, to another workload"
             : std::to_string(claims.depth_max) + " times, from one workload to the next") +
       std::string(", never with more rights than these.")});
  if (claims.mandate.holders) {
    section.lines.push_back({"Only to " + listed(*claims.mandate.holders, "or") + "."});
  } else {
    section.lines.push_back({"To any workload, by whoever holds the key named above.", {}, true});
  }
  return section;
}

std::string_view requirement_in_words(receipt::Requirement requirement) {
  switch (requirement) {
    case receipt::Requirement::kReason:
      return "a plan that the policy agent has accepted";
    case receipt::Requirement::kApproval:
      return "a person's signature under that very call";
    case receipt::Requirement::kClean:
      return "a session that has read nothing untrusted";
  }
  return {};
}

Section what_else(const Mandate& mandate) {
  Section section{"What else is required"};
  for (const auto& [tool, requirements] : mandate.require) {
    Line line{"Before each call of " + name_in_words(tool)};
    for (const receipt::Requirement each : requirements)
      line.details.emplace_back(requirement_in_words(each));
    section.lines.push_back(std::move(line));
  }
  if (mandate.approvers) {
    Line line{"Such a signature is given by " + std::to_string(mandate.approvers->min) +
              " of these keys"};
    line.details.assign(mandate.approvers->keys.begin(), mandate.approvers->keys.end());
    section.lines.push_back(std::move(line));
  }
  if (mandate.status) {
    section.lines.push_back({"That it was not taken back in " +
                             whole_in_words(mandate.status->uri) + ", entry " +
                             std::to_string(mandate.status->index) + "."});
  }
  if (section.lines.empty()) section.lines.push_back({"Nothing."});
  return section;
}

Checked<Telling> tell_root(const json::Value& payload) {
  Claims claims;
  CHECK(receipt::read_holder(payload, claims));
  CHECK(receipt::read_depths(payload, claims));
  CHECK(receipt::read_times(payload, claims));
  CHECK(receipt::read_mandate(payload, claims));
  const Mandate& mandate = claims.mandate;
  TRY(const json::Value* const tools, find_tools(payload));
  CHECK(check_limits_what_is_granted(mandate, *tools));
  Telling telling;
  telling.intent = mandate.intent.value_or("");
  telling.sections.push_back(who(claims));
  telling.sections.push_back({"For whom", {{mandate.user.value_or("Nobody is named.")}}});
  TRY(Section granted, what(*tools));
  telling.sections.push_back(std::move(granted));
  telling.sections.push_back(how_often(mandate, *tools));
  if (mandate.not_before) telling.sections.push_back({"From when", {}, mandate.not_before});
  telling.sections.push_back(until(claims));
  if (mandate.audience)
    telling.sections.push_back({"Where", {{"Only at " + listed(*mandate.audience, "or") + "."}}});
  telling.sections.push_back(passed_on(claims));
  telling.sections.push_back(what_else(mandate));
  return telling;
}

// Every member of the payload but its times and its identifiers.
Checked<Telling> tell_call(const json::Value& payload) {
  const auto text = [&](std::string_view member, std::string_view otherwise) {
    const auto found = payload.find_string(member);
    return found ? name_in_words(*found) : std::string(otherwise);
  };
  const json::Value* arguments = payload.find("args");
  const json::Value* expires = payload.find("exp");
  if (arguments == nullptr || !arguments->is_object() || expires == nullptr ||
      !expires->is_number())
    return refuse(Code::kMalformed, "The approval is not of the form that approvals have.");
  Section values{"With exactly these arguments"};
  for (const json::Member& argument : arguments->object()) {
    values.lines.push_back({name_in_words(argument.name) + ": " + whole_in_words(argument.value)});
  }
  if (values.lines.empty()) values.lines.push_back({"None."});
  Telling telling;
  telling.sections.push_back({"What will be called, once", {{text("tool", "")}}});
  telling.sections.push_back({"At which server", {{text("server", "No server is named.")}}});
  telling.sections.push_back(std::move(values));
  telling.sections.push_back({"Who calls it", {{text("holder", "No workload is named.")}}});
  telling.sections.push_back({"For whom", {{text("user", "Nobody is named.")}}});
  telling.sections.push_back({"What for", {{text("intent", "That is not said.")}}});
  telling.sections.push_back({"Until when", {}, expires->number()});
  return telling;
}

Checked<void> check_bounds(const Telling& telling) {
  std::size_t lines = 0;
  std::size_t bytes = telling.intent.size();
  for (const Section& section : telling.sections) {
    for (const Line& line : section.lines) {
      lines += 1 + line.details.size();
      bytes += line.text.size();
      for (const std::string& detail : line.details) bytes += detail.size();
    }
  }
  if (lines <= kLinesMax && bytes <= kTextBytesMax) return {};
  return refuse(Code::kTooLarge,
                "Told in words this takes " + std::to_string(lines) + " lines and " +
                    std::to_string(bytes) + " bytes; more than " + std::to_string(kLinesMax) +
                    " lines or " + std::to_string(kTextBytesMax) +
                    " bytes are more than a person can weigh at once. Ask for less.");
}

Checked<Telling> tell(std::string_view signing_input, receipt::TokenKind kind,
                      Checked<Telling> (*in_words)(const json::Value&)) {
  const std::string token = std::string(signing_input) + ".";
  TRY(const receipt::Segments segments, receipt::split(token));
  TRY(const receipt::Header header, receipt::read_header(segments.header, kind));
  if (header.algorithm)
    return refuse(Code::kBadAlg, "This is not for a passkey to sign, but for another key.");
  TRY(const std::string text, receipt::decode_segment(segments.payload, "payload"));
  TRY(const json::Document document,
      receipt::parse_object(text, "payload", {.bytes_max = 131072, .depth_max = 128}));
  TRY(Telling telling, in_words(document.root()));
  CHECK(check_bounds(telling));
  return telling;
}

std::string to_json(const std::vector<Line>& lines) {
  json::ArrayWriter out;
  for (const Line& line : lines) {
    json::ObjectWriter one;
    one.text("text", line.text).json("wide", line.wide ? "true" : "false");
    out.json(one.texts("details", line.details).take());
  }
  return out.take();
}

}  // namespace

Checked<Telling> tell_receipt(std::string_view signing_input) {
  return tell(signing_input, receipt::TokenKind::kRoot, tell_root);
}

Checked<Telling> tell_approval(std::string_view signing_input) {
  return tell(signing_input, receipt::TokenKind::kApproval, tell_call);
}

std::string to_json(const Telling& telling) {
  json::ArrayWriter sections;
  for (const Section& section : telling.sections) {
    json::ObjectWriter one;
    one.text("title", section.title);
    if (section.time) one.number("time", *section.time);
    sections.json(one.json("lines", to_json(section.lines)).take());
  }
  json::ObjectWriter out;
  return out.text("intent", telling.intent).json("sections", sections.take()).take();
}

std::string duration_in_words(Seconds seconds) {
  constexpr std::pair<std::uint64_t, const char*> kUnits[] = {
      {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
  auto left = static_cast<std::uint64_t>(std::max(0.0, std::floor(seconds)));
  std::string words;
  for (const auto& [size, name] : kUnits) {
    const std::uint64_t count = left / size;
    left %= size;
    if (count == 0) continue;
    words +=
        (words.empty() ? "" : " ") + std::to_string(count) + " " + name + (count == 1 ? "" : "s");
  }
  return words.empty() ? "0 seconds" : words;
}

}  // namespace mandated::consent
