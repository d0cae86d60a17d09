// What finding a prompt cost with the methods that the SPO paper compares: US dollars for one of
// its five closed tasks on average, with the models of its authors (arXiv 2502.06855, the table of
// closed tasks).
#pragma once

#include <array>
#include <string_view>

namespace troupe {

struct PublishedCost {
  std::string_view method;
  double dollars;
};

inline constexpr std::array<PublishedCost, 7> kPublishedCosts = {{
    {"TextGrad", 13.14},
    {"APE", 9.07},
    {"PromptBreeder", 4.82},
    {"OPRO", 4.51},
    {"PromptAgent", 2.71},
    {"SPO", 0.15},
    {"SPO*", 0.12},
}};

}  // namespace troupe
