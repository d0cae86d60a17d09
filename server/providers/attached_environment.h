// AttachedEnvironment: an environment that clients serve. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "tools/environment.h"
#include "tools/json_schema.h"
#include "troupe/v1/attach.pb.h"

namespace troupe {

class ProviderHub;

class AttachedEnvironment : public Environment {
 public:
  // `hub` outlives all operations. kInvalidField for a schema that is none.
  static absl::StatusOr<std::shared_ptr<Environment>> Make(EnvironmentSpec spec, std::string key,
                                                           ProviderHub* hub);

  const EnvironmentSpec& spec() const override { return spec_; }
  Async<EnvironmentState> Reset(std::string instance, Json settings,
                                EnvironmentContext context) override;
  Async<EnvironmentState> Observe(std::string instance, EnvironmentContext context) override;
  Async<EnvironmentState> Step(std::string instance, Json action,
                               EnvironmentContext context) override;
  Async<std::string> Snapshot(std::string instance, EnvironmentContext context) override;
  Async<EnvironmentState> Restore(std::string instance, std::string snapshot,
                                  EnvironmentContext context) override;
  AsyncStatus Close(std::string instance, EnvironmentContext context) override;

 private:
  using Operation = v1::EnvironmentWork::Operation;

  AttachedEnvironment(EnvironmentSpec spec, std::string key, ProviderHub* hub, JsonSchema action,
                      JsonSchema observation)
      : spec_(std::move(spec)),
        key_(std::move(key)),
        hub_(hub),
        action_(std::move(action)),
        observation_(std::move(observation)) {}

  // The value that the provider answers with.
  Async<Json> Operate(Operation operation, std::string instance, Json input,
                      EnvironmentContext context);
  Async<EnvironmentState> OperateToState(Operation operation, std::string instance, Json input,
                                         EnvironmentContext context);

  const EnvironmentSpec spec_;
  const std::string key_;
  ProviderHub* const hub_;
  const JsonSchema action_;
  const JsonSchema observation_;
};

}  // namespace troupe
