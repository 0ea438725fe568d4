// A random honest presentation of a chain, and the places at which an attack may bend it. What an
// attack does not touch stays honest: hashes, issuers and signatures are made after it, so that
// nothing but the attack can be refused.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/unit/receipt/forge.h"
#include "tests/vectors/constraint_samples.h"

namespace mandated::receipt::attack {

using forge::Draft;
using forge::Json;

/// Random numbers that are the same everywhere for the same seed (splitmix64).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  /// From 0 to `end` - 1.
  std::size_t below(std::size_t end);
  bool maybe() { return below(2) == 1; }
  template <class T>
  const T& of(const std::vector<T>& all) {
    return all.at(below(all.size()));
  }
  const char* of(std::initializer_list<const char*> all) {
    return *(all.begin() + below(all.size()));
  }

 private:
  std::uint64_t state_;
};

/// One tool's constraint: the parent's form down to `cut`, the narrower one from there on.
struct Granted {
  const ConstraintSample* sample = nullptr;
  std::size_t cut = 1;
  std::string tool() const { return "t_" + std::string(sample->type); }
};

struct Attempt {
  /// Draws everything; `type` is granted and called.
  Attempt(Dice& dice, std::string_view type = {});

  std::size_t hops = 2;
  KeyType keys = KeyType::kEd25519;
  std::vector<Granted> granted;
  std::vector<Json> mandates;  ///< by hop; null is none
  std::size_t called = 0;      ///< which of `granted`
  std::string tool;
  std::string arguments;  ///< JSON text
  std::string holder = "spiffe://td/agents/leaf";
  std::optional<Selectors> selectors;
  std::vector<std::string> audiences{std::string(forge::kAudience)};
  Seconds now = forge::kNow;

  // What an attack may do, in the order in which it happens.
  std::function<void(std::size_t hop, Draft& draft)> bend_token;
  std::function<void(std::vector<std::string>& tokens, const forge::Chain& chain)> splice;
  std::function<void(Json& payload)> bend_proof;
  std::function<void(std::string& proof, const forge::Chain& chain)> bend_proof_token;
  int presented = 1;  ///< how often, with the same proof

  const ConstraintSample& sample() const { return *granted[called].sample; }
  /// The same hops with other identifiers.
  forge::Chain chain(const std::string& name = "honest") const;
  /// What the last presentation gets; nullopt is permitted.
  std::optional<Refusal> run() const;

 private:
  void apply(std::size_t hop, Draft& draft, const std::string& name) const;
  void draw_mandates(Dice& dice);
};

/// A way to get more than was granted, and the codes that it may be refused with.
struct Attack {
  const char* name;
  std::vector<Code> codes;
  std::function<void(Attempt& attempt, Dice& dice)> prepare;
  const char* type = "";  ///< of the constraint that must be there
};
const std::vector<Attack>& attacks();

inline void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }

}  // namespace mandated::receipt::attack
