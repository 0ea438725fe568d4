// Laws of the JSON library over random values: what is printed reads back, one form for equal
// values, no other.
#include <bit>

#include "tests/property/receipt/generators.h"

namespace mandated::receipt {
namespace {

using generate::Json;

RC_GTEST_PROP(JsonLaws, CanonicalFormIsAFixedPoint, ()) {
  const Json value = *generate::constraint(3);
  const std::string once = json::canonical(forge::parse(value.dump(2)).root());
  RC_ASSERT(json::canonical(forge::parse(once).root()) == once);
}

RC_GTEST_PROP(JsonLaws, EqualValuesHaveOneForm, ()) {
  const Json a = *generate::value();
  const Json b = *generate::value();
  const auto parsed_a = forge::parse(a.dump());
  const auto parsed_b = forge::parse(b.dump(1));
  const bool same_text = json::canonical(parsed_a.root()) == json::canonical(parsed_b.root());
  RC_CLASSIFY(same_text, "equal");
  RC_ASSERT(json::equal(parsed_a.root(), parsed_b.root()) == same_text);
}

RC_GTEST_PROP(JsonLaws, EveryDoubleSurvivesItsText, (std::uint64_t bits)) {
  const double value = std::bit_cast<double>(bits);
  RC_PRE(std::isfinite(value));
  const std::string text = json::number_text(value);
  const auto read = json::Document::parse(text);
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->root().number() == value);
}

// A whole number is accepted exactly when its nearest double prints as the same digits. Below 1e21
// it prints without an exponent.
RC_GTEST_PROP(JsonLaws, OnlyDecimalsThatADoubleHoldsAreAccepted, ()) {
  const auto digits =
      *rc::gen::container<std::string>(*rc::gen::element<std::size_t>(1, 9, 15, 16, 17, 18, 21),
                                       rc::gen::elementOf(std::string("0123456789")));
  const std::string whole =
      digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const bool holds = json::number_text(std::strtod(whole.c_str(), nullptr)) == whole;
  RC_CLASSIFY(holds, "held");
  RC_ASSERT(json::Document::parse(whole).has_value() == holds);
}

RC_GTEST_PROP(JsonLaws, StringsSurviveQuoting, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
  const auto read = json::Document::parse(json::quoted(text));
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->root().string() == text);
}

}  // namespace
}  // namespace mandated::receipt
