// See generators.h: how likely each change is decides how often a property says something.
#include "tests/property/receipt/generators.h"

#include <array>
#include <optional>

namespace mandated::receipt::generate {
namespace {

Json parse(const char* text) { return Json::parse(text); }

rc::Gen<Json> scalar() {
  static const std::vector<Json> pool{
      nullptr, true, false, 0,   1,    2,      3,         parse("1.5"), parse("-1"), parse("2.0"),
      "",      "a",  "b",   "A", "/d", "/d/e", "/d/../e", "/de",        "/",         "/d/e/f"};
  return rc::gen::elementOf(pool);
}

Json draw(const rc::Gen<Json>& gen) { return *gen; }

Json list(const rc::Gen<Json>& gen, int longest) {
  Json result = Json::array();
  const int count = *rc::gen::inRange(0, longest + 1);
  for (int at = 0; at < count; ++at) result.push_back(draw(gen));
  return result;
}

// What the extension types are about: URLs, addresses, texts, commands. Pieces are put together, so
// that most are near to something that is accepted and some have a second reading.
std::string make_url() {
  return *rc::gen::element<std::string>("https://", "https://", "http://", "HTTPS://", "https:") +
         *rc::gen::element<std::string>(
             "a.example.com", "a.example.com", "b.a.example.com", "example.com", "A.Example.com",
             "10.0.0.1", "10.1", "a.example.com.", "u@a.example.com", "xn--bcher-kva.example.com") +
         *rc::gen::element<std::string>("", "", ":443", ":8443", ":") +
         *rc::gen::element<std::string>("", "/", "/v1", "/v1/x", "/v10", "/v1/../x", "/v1/%2e%2e/x",
                                        "/v1/..;/x", "/v1//x", "/v1/x?y#z");
}

std::string make_address() {
  return *rc::gen::element<std::string>(
      "10.0.0.0", "10.1.0.0", "10.1.2.3", "10.1.255.1", "10.2.0.1", "11.0.0.0", "::", "::a00:1",
      "2001:db8::", "2001:db8:1::", "2001:db8:1::7", "::ffff:10.1.2.3", "010.1.2.3");
}

std::string make_command() {
  std::string command;
  const int words = *rc::gen::inRange(1, 5);
  for (int at = 0; at < words; ++at) {
    command += at == 0 ? "" : " ";
    command += *rc::gen::element<std::string>("ls", "git", "'ls'", "-l", "-a", "\"-\"a", "--", "x",
                                              "'a b'", "$x", "a;b", "A=b");
  }
  return command;
}

std::string make_text(const char* alphabet) {
  return *rc::gen::resize(
      6, rc::gen::container<std::string>(rc::gen::elementOf(std::string(alphabet))));
}

Json make_special() {
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return make_url();
    case 1:
      return make_address();
    case 2:
      return make_command();
    default:
      return make_text("ab/");
  }
}

Json names(const std::vector<std::string>& pool) {
  return *rc::gen::resize(3,
                          rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pool)));
}

Json make_url_containment() {
  Json url{{"constraint_type", "url_containment"},
           {"scheme", *rc::gen::element("https", "https", "http")},
           {"host", *rc::gen::element("a.example.com", "*.example.com", "*.a.example.com",
                                      "aa.example.com", "example.com", "10.0.0.1")}};
  if (*rc::gen::arbitrary<bool>()) url["port"] = *rc::gen::element(443, 8443);
  if (*rc::gen::arbitrary<bool>()) url["path"] = *rc::gen::element("/", "/v1", "/v1/", "/v1/x");
  return url;
}

Json make_shell_command() {
  Json command{{"constraint_type", "shell_command"}, {"programs", names({"ls", "git", "-l"})}};
  if (*rc::gen::arbitrary<bool>()) command["flags"] = names({"-l", "-a", "--"});
  return command;
}

Json make_extension(int kind) {
  switch (kind) {
    case 0:
      return Json{{"constraint_type", "path_containment"},
                  {"root", *rc::gen::element("/", "/d", "/d/e", "/de", "/d/..", "/x/../d")}};
    case 1:
      return make_url_containment();
    case 2:
      return Json{{"constraint_type", "string_prefix"}, {"prefix", make_text("ab")}};
    case 3:
      return Json{
          {"constraint_type", "cidr"},
          {"net", *rc::gen::element("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/15", "10.1.0.0/16",
                                    "10.1.2.3/32", "::/0", "2001:db8::/32", "2001:db8:1::/48")}};
    case 4:
      return Json{{"constraint_type", "length"}, {"max", *rc::gen::inRange(0, 6)}};
    case 5:
      return Json{{"constraint_type", "glob"},
                  {"pattern", *rc::gen::element("*", "**", "a*", "*b", "a**b", "?", "a/*", "*/**b",
                                                "\\a*", "")}};
    default:
      return make_shell_command();
  }
}

constexpr std::array kExtensions{
    "path_containment", "url_containment", "string_prefix", "cidr", "length", "glob",
    "shell_command"};

std::optional<int> extension_of(const Json& constraint) {
  const auto at =
      std::find(kExtensions.begin(), kExtensions.end(), constraint.at("constraint_type"));
  if (at == kExtensions.end()) return std::nullopt;
  return static_cast<int>(at - kExtensions.begin());
}

std::string url_under(const Json& constraint) {
  auto host = constraint.at("host").get<std::string>();
  if (host.starts_with('*')) host.replace(0, 1, *rc::gen::element("a", "b", "b.a", "*"));
  std::string url = constraint.at("scheme").get<std::string>() + "://" + host;
  if (constraint.contains("port")) url += ":" + constraint.at("port").dump();
  return url + constraint.value("path", "") +
         *rc::gen::element<std::string>("", "", "/", "/x", "/x?y#z", "0", "/../x", "/%2e%2e");
}

std::string command_under(const Json& constraint) {
  std::vector<std::string> words{"x", "'a b'", "-l", "$x"};
  if (constraint.contains("flags"))
    words.insert(words.end(), constraint["flags"].begin(), constraint["flags"].end());
  std::string command = "ls";
  if (const auto& programs = constraint["programs"]; !programs.empty())
    command = programs.front().get<std::string>();
  const int count = *rc::gen::inRange(0, 3);
  for (int at = 0; at < count; ++at) command += " " + *rc::gen::elementOf(words);
  return command;
}

// A value that a constraint of an extension type has a fair chance to accept.
Json near_extension(const Json& constraint, int extension) {
  switch (extension) {
    case 1:
      return url_under(constraint);
    case 2:
      return constraint["prefix"].get<std::string>() + make_text("ab/");
    case 3:
      return make_address();
    case 4:
      return *rc::gen::arbitrary<bool>() ? Json(make_text("ab/")) : list(scalar(), 5);
    case 5:
      return make_text("ab/");
    case 6:
      return command_under(constraint);
    default:
      return draw(scalar());
  }
}

Json make_value() {
  const int kind = *rc::gen::inRange(0, 10);
  if (kind == 0) return list(scalar(), 4);
  if (kind == 1) return Json{{"k", draw(scalar())}};
  if (kind > 7) return make_special();
  return draw(scalar());
}

Json make_range() {
  Json range{{"constraint_type", "range"}};
  if (*rc::gen::arbitrary<bool>()) range["min"] = *rc::gen::inRange(-1, 4);
  if (*rc::gen::arbitrary<bool>()) range["max"] = *rc::gen::inRange(-1, 4);
  if (*rc::gen::arbitrary<bool>()) range["min_inclusive"] = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) range["max_inclusive"] = *rc::gen::arbitrary<bool>();
  return range;
}

Json make_constraint(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 13 : 11);
  switch (kind) {
    case 0:
      return Json{{"constraint_type", "exact"}, {"value", draw(scalar())}};
    case 1:
      return make_range();
    case 2:
      return Json{{"constraint_type", "one_of"}, {"values", list(value(), 4)}};
    case 3:
      return Json{{"constraint_type", "not_one_of"}, {"excluded", list(value(), 4)}};
    case 4:
      return Json{{"constraint_type", "contains"}, {"required", list(scalar(), 3)}};
    case 5:
      return Json{{"constraint_type", "subset"}, {"allowed", list(scalar(), 4)}};
    case 6:
      return Json{{"constraint_type", "wildcard"}};
    case 11:
      return Json{{"constraint_type", "all"}, {"constraints", list(constraint(depth - 1), 3)}};
    case 12:
      return Json{{"constraint_type", "any"}, {"constraints", list(constraint(depth - 1), 3)}};
    default:
      return draw(extension());
  }
}

// The one member that holds a type's list.
const char* list_member(const Json& constraint) {
  for (const char* member : {"values", "excluded", "required", "allowed", "constraints"}) {
    if (constraint.contains(member)) return member;
  }
  return nullptr;
}

Json change_list(Json list, const rc::Gen<Json>& element) {
  const int kind = *rc::gen::inRange(0, 4);
  if (kind == 0) {
    list.insert(list.begin() + *rc::gen::inRange<std::ptrdiff_t>(
                                   0, static_cast<std::ptrdiff_t>(list.size()) + 1),
                draw(element));
  } else if (!list.empty()) {
    const auto at = *rc::gen::inRange<std::size_t>(0, list.size());
    if (kind == 1) list.erase(at);
    if (kind == 2) list[at] = draw(element);
    if (kind == 3) std::swap(list[0], list[at]);
  }
  return list;
}

Json narrow_extension(const Json& parent, int extension) {
  Json child = parent;
  if (extension == 1) {
    if (*rc::gen::arbitrary<bool>()) child["path"] = *rc::gen::element("/v1", "/v1/x", "/v10");
    if (*rc::gen::arbitrary<bool>())
      child["host"] = *rc::gen::element("a.example.com", "aa.example.com", "*.a.example.com");
  } else if (extension == 2) {
    child["prefix"] = parent["prefix"].get<std::string>() + make_text("ab");
  } else if (extension == 6) {
    if (*rc::gen::arbitrary<bool>()) child["programs"] = names({"ls", "git", "-l"});
    if (*rc::gen::arbitrary<bool>()) child["flags"] = names({"-l", "-a", "--"});
  } else {
    child = make_extension(extension);
  }
  return child;
}

Json make_child(const Json& parent) {
  const int kind = *rc::gen::inRange(0, 8);
  if (kind == 0) return make_constraint(1);
  if (kind == 1) return Json{{"constraint_type", "exact"}, {"value", draw(scalar())}};
  if (kind == 2) return Json{{"constraint_type", "one_of"}, {"values", list(scalar(), 3)}};
  if (kind == 3 || parent.at("constraint_type") == "wildcard") return parent;
  if (parent.at("constraint_type") == "range") return make_range();
  if (const auto extension = extension_of(parent)) {
    if (kind == 4)
      return Json{{"constraint_type", "one_of"}, {"values", list(value_for(parent), 2)}};
    return kind == 5 ? make_extension(*extension) : narrow_extension(parent, *extension);
  }
  const char* member = list_member(parent);
  if (member == nullptr) return parent;
  Json child = parent;
  if (std::string_view(member) != "constraints") {
    child[member] = change_list(child[member], scalar());
    return child;
  }
  for (Json& clause : child[member]) {
    if (*rc::gen::arbitrary<bool>()) clause = make_child(clause);
  }
  if (*rc::gen::arbitrary<bool>()) child[member] = change_list(child[member], constraint(0));
  return child;
}

// Every value that stands anywhere in the constraint.
void collect(const Json& constraint, std::vector<Json>& out) {
  if (const auto extension = extension_of(constraint))
    out.push_back(near_extension(constraint, *extension));
  for (const char* member : {"value", "min", "max", "root"}) {
    if (constraint.contains(member)) out.push_back(constraint[member]);
  }
  const char* member = list_member(constraint);
  if (member == nullptr) return;
  for (const Json& each : constraint[member]) {
    if (std::string_view(member) == "constraints") {
      collect(each, out);
    } else {
      out.push_back(each);
    }
  }
  if (std::string_view(member) == "required" || std::string_view(member) == "allowed")
    out.push_back(constraint[member]);
}

Json make_tool() {
  Json constraints = Json::object();
  for (const char* name : {"p", "q"}) {
    if (*rc::gen::inRange(0, 3) > 0) constraints[name] = make_constraint(1);
  }
  return constraints;
}

}  // namespace

rc::Gen<Json> value() {
  return rc::gen::exec([] { return make_value(); });
}

rc::Gen<Json> constraint(int depth) {
  return rc::gen::exec([depth] { return make_constraint(depth); });
}

rc::Gen<Json> extension() {
  return rc::gen::exec(
      [] { return make_extension(*rc::gen::inRange(0, static_cast<int>(kExtensions.size()))); });
}

rc::Gen<Json> child_of(const Json& parent) {
  return rc::gen::exec([parent] { return make_child(parent); });
}

rc::Gen<Json> value_for(const Json& constraint) {
  return rc::gen::exec([constraint] {
    std::vector<Json> near;
    collect(constraint, near);
    if (near.empty() || *rc::gen::inRange(0, 3) == 0) return make_value();
    return draw(rc::gen::elementOf(near));
  });
}

rc::Gen<Json> tools() {
  return rc::gen::exec([] {
    Json result = Json::object();
    for (const char* name : {"read", "write", "list"}) {
      if (*rc::gen::inRange(0, 3) > 0) result[name] = make_tool();
    }
    return result;
  });
}

rc::Gen<Json> child_tools_of(const Json& parent) {
  return rc::gen::exec([parent] {
    Json result = Json::object();
    for (const auto& [name, constraints] : parent.items()) {
      if (*rc::gen::inRange(0, 4) == 0) continue;
      Json child = constraints;
      for (auto& [argument, constraint] : child.items()) {
        if (*rc::gen::arbitrary<bool>()) constraint = make_child(constraint);
      }
      if (child.empty() || *rc::gen::inRange(0, 8) == 0) child = make_tool();
      result[name] = child;
    }
    if (*rc::gen::inRange(0, 8) == 0) result["extra"] = make_tool();
    return result;
  });
}

rc::Gen<Json> arguments_for(const Json& constraints) {
  return rc::gen::exec([constraints] {
    Json arguments = Json::object();
    for (const auto& [name, constraint] : constraints.items()) {
      if (*rc::gen::inRange(0, 10) > 0) arguments[name] = draw(value_for(constraint));
    }
    if (constraints.empty() || *rc::gen::inRange(0, 10) == 0) arguments["x"] = make_value();
    return arguments;
  });
}

}  // namespace mandated::receipt::generate
