// How far candidates are from each other, for the epsilon-net of POLCA (arXiv 2603.14769): a
// candidate that is as good as one already known is not worth its runs. The published program
// embeds values by a model; here, where no embedding backend is at hand, a text is the vector of
// its hashed character 3-grams, of length 1. Stateless functions.
#pragma once

#include <string_view>
#include <vector>

#include "tools/base/json.h"

namespace troupe {

// Of 1,024 numbers, of length 1; all 0 for an empty text.
std::vector<float> TextVector(std::string_view text);

// The Euclidean distance between the values of two candidates: 0 for equal ones, at most √2 for
// each parameter. Numbers differ by how much of their greater magnitude they differ by.
double ValuesDistance(const Json& a, const Json& b);

}  // namespace troupe
