// See generators.h: how likely each change is decides how often a property says something.
#include "tests/property/receipt/generators.h"

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

Json make_value() {
  const int kind = *rc::gen::inRange(0, 8);
  if (kind == 0) return list(scalar(), 4);
  if (kind == 1) return Json{{"k", draw(scalar())}};
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
  const int kind = *rc::gen::inRange(0, depth > 0 ? 10 : 8);
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
    case 7:
      return Json{{"constraint_type", "path_containment"},
                  {"root", *rc::gen::element("/", "/d", "/d/e", "/x/../d")}};
    case 8:
      return Json{{"constraint_type", "all"}, {"constraints", list(constraint(depth - 1), 3)}};
    default:
      return Json{{"constraint_type", "any"}, {"constraints", list(constraint(depth - 1), 3)}};
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

Json make_child(const Json& parent) {
  const int kind = *rc::gen::inRange(0, 8);
  if (kind == 0) return make_constraint(1);
  if (kind == 1) return Json{{"constraint_type", "exact"}, {"value", draw(scalar())}};
  if (kind == 2) return Json{{"constraint_type", "one_of"}, {"values", list(scalar(), 3)}};
  if (kind == 3 || parent.at("constraint_type") == "wildcard") return parent;
  if (parent.at("constraint_type") == "range") return make_range();
  if (parent.at("constraint_type") == "path_containment") {
    return Json{{"constraint_type", "path_containment"},
                {"root", *rc::gen::element("/", "/d", "/d/e", "/de", "/d/..")}};
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
