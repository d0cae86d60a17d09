// The order of versions: "1.10" comes after "1.9", "2" after "1". Stateless.
#pragma once

#include <string_view>

namespace troupe {

// Whether version `a` comes after `b`.
bool IsNewer(std::string_view a, std::string_view b);

}  // namespace troupe
