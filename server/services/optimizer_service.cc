#include "server/services/optimizer_service.h"

#include <fmt/format.h>

#include "server/services/step_wait.h"
#include "server/services/unary.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kStepPageBytes = 1024 * 1024;
constexpr absl::Duration kLongestWait = absl::Seconds(60);

absl::StatusOr<absl::Duration> WaitOf(const google::protobuf::Duration& wait) {
  if (wait.seconds() < 0 || wait.nanos() < 0 || wait.nanos() > 999'999'999) {
    return Error(Reason::kInvalidField, "wait: must not be negative or malformed",
                 {{"field", "wait"}});
  }
  return std::min(absl::Seconds(wait.seconds()) + absl::Nanoseconds(wait.nanos()), kLongestWait);
}

// Answers with a step that has been waited for.
template <typename Response>
auto AnswerWith(Response* response, const FinishCall& finish) {
  return [response, finish](absl::StatusOr<v1::OptimizerStep> ended) {
    const absl::Status status = ended.status();
    if (status.ok()) *response->mutable_step() = *std::move(ended);
    finish(status);
  };
}

}  // namespace

grpc::ServerUnaryReactor* OptimizerServiceImpl::CreateOptimizer(
    Context* context, const v1::CreateOptimizerRequest* request,
    v1::CreateOptimizerResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_optimizer(), optimizers_->Create(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::GetOptimizer(Context* context,
                                                             const v1::GetOptimizerRequest* request,
                                                             v1::GetOptimizerResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_optimizer(), optimizers_->Get(request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::ListOptimizers(
    Context* context, const v1::ListOptimizersRequest* request,
    v1::ListOptimizersResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const int size, PageSize(request->page_size(), 100, 1000));
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), "ListOptimizers"));
    ASSIGN_OR_RETURN(std::vector<Optimizers::Listed> listed,
                     optimizers_->List(key.first, size + 1));
    const bool more = listed.size() > static_cast<size_t>(size);
    if (more) listed.pop_back();
    for (Optimizers::Listed& each : listed) {
      *response->add_optimizers() = std::move(each.optimizer);
    }
    if (more)
      response->set_next_page_token(tokens_->Make({listed.back().key, 0}, "ListOptimizers"));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::DeleteOptimizer(
    Context* context, const v1::DeleteOptimizerRequest* request, v1::DeleteOptimizerResponse*) {
  return Answer(context, *threads_, [=, this] { return optimizers_->Delete(request->name()); });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::Step(Context* context,
                                                     const v1::StepRequest* request,
                                                     v1::StepResponse* response) {
  return AnswerLater(context, *threads_, [=, this](const FinishCall& finish) {
    const auto wait = WaitOf(request->wait());
    if (!wait.ok()) return finish(wait.status());
    auto step = optimizers_->Begin(*request);
    if (!step.ok()) return finish(step.status());
    StepWait::Start(optimizers_, streams_, threads_->pool(), *std::move(step), *wait,
                    AnswerWith(response, finish));
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::GetStep(Context* context,
                                                        const v1::GetStepRequest* request,
                                                        v1::GetStepResponse* response) {
  return AnswerLater(context, *threads_, [=, this](const FinishCall& finish) {
    const auto wait = WaitOf(request->wait());
    if (!wait.ok()) return finish(wait.status());
    auto step = optimizers_->GetStep(request->name());
    if (!step.ok()) return finish(step.status());
    StepWait::Start(optimizers_, streams_, threads_->pool(), *std::move(step), *wait,
                    AnswerWith(response, finish));
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::ListSteps(Context* context,
                                                          const v1::ListStepsRequest* request,
                                                          v1::ListStepsResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const int size, PageSize(request->page_size(), 50, 200));
    const std::string arguments = "ListSteps\n" + request->parent();
    ASSIGN_OR_RETURN(const PageKey key, tokens_->Read(request->page_token(), arguments));
    const auto first = static_cast<int32_t>(key.first + 1);
    ASSIGN_OR_RETURN(std::vector<v1::OptimizerStep> steps,
                     optimizers_->ListSteps(request->parent(), first, size, kStepPageBytes));
    for (v1::OptimizerStep& step : steps) *response->add_steps() = std::move(step);
    const int64_t last = key.first + response->steps_size();
    ASSIGN_OR_RETURN(const std::vector<v1::OptimizerStep> more,
                     optimizers_->ListSteps(request->parent(), static_cast<int32_t>(last + 1), 1,
                                            kStepPageBytes));
    if (!more.empty()) response->set_next_page_token(tokens_->Make({last, 0}, arguments));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::ReportScore(Context* context,
                                                            const v1::ReportScoreRequest* request,
                                                            v1::ReportScoreResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_step(), optimizers_->Report(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::Revert(Context* context,
                                                       const v1::RevertRequest* request,
                                                       v1::RevertResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(*response->mutable_step(), optimizers_->Revert(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OptimizerServiceImpl::GetBest(Context* context,
                                                        const v1::GetBestRequest* request,
                                                        v1::GetBestResponse* response) {
  return Answer(context, *threads_, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(*response, optimizers_->Best(request->name()));
    return absl::OkStatus();
  });
}

}  // namespace troupe
