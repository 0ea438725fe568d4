// What every room that writes files needs of them.
#pragma once

#include <string_view>

namespace mandated {

/// All of `bytes`, interrupted or not. False when the system refuses; errno says why, and a part
/// may have been written.
bool write_all(int descriptor, std::string_view bytes);

}  // namespace mandated
