// Random JSON values, constraints and grants, small enough that they often touch: values come from
// a handful, and a child is mostly its parent with one thing changed. As JSON text, so that nothing
// depends on the engine's own builders.
#pragma once

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include "tests/unit/receipt/forge.h"

namespace mandated::receipt::generate {

using forge::Json;

/// null, booleans, small and odd numbers, short strings, paths, URLs, addresses, commands; arrays
/// and objects of some of them.
rc::Gen<Json> value();

/// A constraint whose composites nest at most `depth` levels.
rc::Gen<Json> constraint(int depth = 2);

/// A constraint of an extension type.
rc::Gen<Json> extension();

/// `parent` as it is, or narrowed, or widened, or something else altogether.
rc::Gen<Json> child_of(const Json& parent);

/// A value that has a fair chance to satisfy `constraint`.
rc::Gen<Json> value_for(const Json& constraint);

/// A tools map.
rc::Gen<Json> tools();
rc::Gen<Json> child_tools_of(const Json& parent);

/// Arguments for a tool's constraint map.
rc::Gen<Json> arguments_for(const Json& constraints);

}  // namespace mandated::receipt::generate
