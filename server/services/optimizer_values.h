// Values of an optimizer's parameters, and which of them were best. Stateless functions, and a
// class that is confined to a thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "troupe/v1/optimizer_service.pb.h"

namespace troupe {

using ParameterValues = std::map<std::string, v1::GraphValue>;
using ParameterValueList = google::protobuf::RepeatedPtrField<v1::ParameterValue>;

ParameterValues ValuesIn(const ParameterValueList& list);
void FillValues(const ParameterValues& values, ParameterValueList& list);

// The values with the best mean score, of steps that are added from the first on.
class BestValues {
 public:
  void Add(const v1::OptimizerStep& step);
  // Nothing if no values have a score; of equal ones the first.
  std::optional<v1::GetBestResponse> Best() const;

 private:
  struct Scored {
    ParameterValueList values;
    double sum = 0;
    int32_t count = 0;
    std::string step;
  };
  Scored& Entry(const ParameterValueList& values);

  std::vector<Scored> all_;
  std::map<std::string, size_t> places_;  // by a digest of the values
};

}  // namespace troupe
