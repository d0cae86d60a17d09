#include "clients/cpp/provider_calls.h"

#include <algorithm>

namespace troupe::client {
namespace {

constexpr size_t kChunkBytes = 512 * 1024;
constexpr size_t kMaxKept = 2000;      // results that the server did not take yet
constexpr size_t kMaxHeldTold = 4096;  // as the server takes them

bool IsForTheAgent(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsFailedPrecondition(status);
}

void Fill(const ToolOutput& from, v1::CallOutput& to) {
  if (!from.value.is_null()) {
    to.set_value_json(from.value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  for (const std::string& text : from.texts) to.add_content()->set_text(text);
  for (const OutputImage& image : from.images) {
    v1::OutputImage* added = to.add_content()->mutable_image();
    added->set_media_type(image.media_type);
    added->set_data(image.bytes);
  }
}

}  // namespace

struct ProviderCalls::Call : public CallContext {
  v1::ProviderCall request;
  const Send* send = nullptr;
  std::atomic<bool> is_cancelled = false;
  std::vector<v1::AttachRequest> answer;  // files and the result, when it has ended

  const std::string& task() const override { return request.task(); }
  const std::string& path() const override { return request.path(); }
  uint64_t seed() const override { return request.seed(); }
  bool cancelled() const override { return is_cancelled; }
  void Progress(std::string text) override {
    v1::AttachRequest message;
    message.mutable_progress()->set_call_id(request.call_id());
    message.mutable_progress()->set_text(std::move(text));
    (*send)(std::move(message));
  }
  void Output(std::string text) override {
    v1::AttachRequest message;
    message.mutable_progress()->set_call_id(request.call_id());
    message.mutable_progress()->set_output(std::move(text));
    (*send)(std::move(message));
  }
};

ProviderCalls::ProviderCalls(std::map<std::string, Function> functions, int threads, Send send)
    : functions_(std::move(functions)), send_(std::move(send)) {
  for (int i = 0; i < std::max(threads, 1); ++i) threads_.emplace_back([this] { Work(); });
}

ProviderCalls::~ProviderCalls() { Close(); }

void ProviderCalls::Start(const v1::ProviderCall& request) {
  CallPtr known;
  {
    const std::lock_guard lock(mutex_);
    CallPtr& call = held_[request.call_id()];
    known = call;
    if (call == nullptr) {
      call = std::make_shared<Call>();
      call->request = request;
      call->send = &send_;
      waiting_.push_back(call);
      changed_.notify_all();
    }
  }
  if (known != nullptr) SendAgain(known);
}

void ProviderCalls::Cancel(const std::string& call_id) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(call_id);
  if (found != held_.end()) found->second->is_cancelled = true;
}

void ProviderCalls::Taken(const v1::CallsTaken& taken) {
  const std::lock_guard lock(mutex_);
  for (const std::string& id : taken.call_ids()) {
    const auto found = held_.find(id);
    if (found == held_.end()) continue;
    found->second->is_cancelled = true;  // nobody waits
    if (!found->second->answer.empty()) held_.erase(found);
  }
}

std::vector<std::string> ProviderCalls::Held() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, call] : held_) {
    if (ids.size() < kMaxHeldTold) ids.push_back(id);
  }
  return ids;
}

void ProviderCalls::SendAllAgain() {
  std::vector<CallPtr> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, call] : held_) all.push_back(call);
  }
  for (const CallPtr& call : all) SendAgain(call);
}

void ProviderCalls::SendAgain(const CallPtr& call) {
  std::vector<v1::AttachRequest> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = call->answer;
  }
  for (v1::AttachRequest& message : answer) send_(std::move(message));
}

void ProviderCalls::Work() {
  for (;;) {
    CallPtr call;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
      if (closed_) return;
      call = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
    }
    Run(*call);
    {
      const std::lock_guard lock(mutex_);
      --running_;
      changed_.notify_all();
    }
  }
}

void ProviderCalls::Run(Call& call) {
  std::vector<v1::AttachRequest> answer;
  const std::string& id = call.request.call_id();
  v1::CallResult result;
  result.set_call_id(id);
  try {
    const v1::ToolWork& work = call.request.tool();
    const auto function = functions_.find(work.name() + "@" + work.version());
    absl::StatusOr<ToolOutput> outcome = absl::InternalError("there is no such tool here");
    if (function != functions_.end()) {
      outcome = function->second(nlohmann::json::parse(work.arguments_json()), call);
    }
    if (outcome.ok()) {
      AddFiles(id, outcome->files, answer);
      Fill(*outcome, *result.mutable_output());
    } else if (IsForTheAgent(outcome.status())) {
      result.mutable_output()->set_is_error(true);
      result.mutable_output()->add_content()->set_text(std::string(outcome.status().message()));
    } else {
      result.mutable_failure()->set_message(std::string(outcome.status().message()));
    }
  } catch (const std::exception& thrown) {
    result.mutable_failure()->set_message(thrown.what());
  }
  *answer.emplace_back().mutable_result() = std::move(result);
  {
    const std::lock_guard lock(mutex_);
    call.answer = answer;
    ended_.push_back(id);
    while (ended_.size() > kMaxKept) {
      held_.erase(ended_.front());
      ended_.pop_front();
    }
  }
  for (v1::AttachRequest& message : answer) send_(std::move(message));
}

void ProviderCalls::AddFiles(const std::string& call_id, const std::vector<OutputFile>& files,
                             std::vector<v1::AttachRequest>& messages) {
  for (const OutputFile& file : files) {
    size_t start = 0;
    do {
      v1::ArtifactChunk* chunk = messages.emplace_back().mutable_artifact();
      chunk->set_call_id(call_id);
      chunk->set_name(file.name);
      chunk->set_description(file.description);
      chunk->set_data(file.bytes.substr(start, kChunkBytes));
      start += kChunkBytes;
      chunk->set_last(start >= file.bytes.size());
    } while (start < file.bytes.size());
  }
}

bool ProviderCalls::WaitUntilIdle(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] { return running_ == 0 && waiting_.empty(); });
}

void ProviderCalls::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [id, call] : held_) call->is_cancelled = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace troupe::client
