// Questions of an SPO task that are items of stored data sets. Stateless functions; kInvalidField
// names the field below "spec.spo".
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agents/evaluate/dataset_source.h"
#include "agents/runtime/scope.h"
#include "tools/base/async.h"
#include "troupe/v1/spo.pb.h"

namespace troupe {

// Whether the spec's selections can be: a data set that is there, with a question in its items.
absl::Status CheckQuestionSets(const v1::SpoSpec& spec, const DatasetSource& datasets);

// Puts the items behind the questions and the held-out questions that the spec gives itself. They
// are read once and recorded, in the spans "items" and "held_out_items" of `scope`.
AsyncStatus AddQuestionSets(const Scope& scope, const DatasetSource* datasets, v1::SpoSpec* spec);

// Leaves out questions that are there twice, and of those to search with the ones that are held out
// too: an answer that was searched with proves nothing. How many that were; kInvalidField if none
// is left to search with.
absl::StatusOr<int> LeaveOutRepeated(v1::SpoSpec& spec);

}  // namespace troupe
