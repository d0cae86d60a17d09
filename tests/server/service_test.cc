// Wrong input of every kind to every method: the documented code, and details that name the field.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/server.h"
#include "server/services/open_streams.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "troupe/v1/prompt_service.grpc.pb.h"
#include "troupe/v1/task_service.grpc.pb.h"
#include "troupe/v1/tool_service.grpc.pb.h"
#include "troupe/v1/trace_service.grpc.pb.h"

namespace troupe {
namespace {

using grpc::StatusCode;

struct Seen {
  StatusCode code;
  std::string reason;
  std::string field;
};

Seen Look(const grpc::Status& status) {
  Seen seen{status.error_code(), "", ""};
  google::rpc::Status rpc;
  rpc.ParseFromString(status.error_details());
  for (const auto& detail : rpc.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info)) {
      EXPECT_EQ(info.domain(), "troupe");
      seen.reason = info.reason();
      const auto field = info.metadata().find("field");
      if (field != info.metadata().end()) seen.field = field->second;
    }
  }
  return seen;
}

class ServiceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder();
    std::ofstream(folder_->path() / "replies.jsonl")
        << R"({"role": "planner", "reply": {"text": "{\"question\": \"Which?\", \"steps\": []}"}})"
        << "\n";
    ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.data_folder = folder_->path() / "data";
    ModelConfig model;
    model.name = "recorded";
    model.kind = ModelKind::kRecorded;
    model.recording = (folder_->path() / "replies.jsonl").string();
    config.models.push_back(model);
    config.roles["default"] = "recorded";
    config.toolbox_folders.push_back(std::string(TROUPE_SOURCE_DIR) + "/tests/end_to_end/toolbox");
    auto server = Server::Start(config, TROUPE_SOURCE_DIR);
    // A failed set-up would count as skipped, and so as passed.
    if (!server.ok()) {
      ADD_FAILURE() << server.status();
      std::abort();
    }
    server_ = server->release();
    const auto channel =
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    tasks_ = v1::TaskService::NewStub(channel).release();
    traces_ = v1::TraceService::NewStub(channel).release();
    tools_ = v1::ToolService::NewStub(channel).release();
    prompts_ = v1::PromptService::NewStub(channel).release();
  }

  static void TearDownTestSuite() {
    delete tasks_;
    delete traces_;
    delete tools_;
    delete prompts_;
    delete server_;
    delete folder_;
  }

  static v1::SubmitTaskRequest Good() {
    v1::SubmitTaskRequest request;
    request.mutable_spec()->mutable_cellagent()->set_request("Do it");
    request.mutable_spec()->mutable_cellagent()->set_toolbox("plain");
    request.mutable_spec()->mutable_cellagent()->set_ask_clarification(true);
    return request;
  }

  static Seen Submit(const v1::SubmitTaskRequest& request, v1::Task* task = nullptr) {
    grpc::ClientContext context;
    v1::SubmitTaskResponse response;
    const auto status = tasks_->SubmitTask(&context, request, &response);
    if (task != nullptr) *task = response.task();
    return Look(status);
  }

  template <typename Stub, typename Request, typename Response>
  static Seen Call(Stub* stub,
                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request) {
    grpc::ClientContext context;
    Response response;
    return Look((stub->*method)(&context, request, &response));
  }

  static void Expect(const Seen& seen, StatusCode code, const std::string& reason,
                     const std::string& field = "") {
    EXPECT_EQ(seen.code, code);
    EXPECT_EQ(seen.reason, reason);
    if (!field.empty()) {
      EXPECT_EQ(seen.field, field);
    }
  }

  static TempFolder* folder_;
  static Server* server_;
  static v1::TaskService::Stub* tasks_;
  static v1::TraceService::Stub* traces_;
  static v1::ToolService::Stub* tools_;
  static v1::PromptService::Stub* prompts_;
};

TempFolder* ServiceTest::folder_ = nullptr;
Server* ServiceTest::server_ = nullptr;
v1::TaskService::Stub* ServiceTest::tasks_ = nullptr;
v1::TraceService::Stub* ServiceTest::traces_ = nullptr;
v1::ToolService::Stub* ServiceTest::tools_ = nullptr;
v1::PromptService::Stub* ServiceTest::prompts_ = nullptr;

TEST(ListenTest, RefusesWhatIsNoAddress) {
  for (const char* listen : {"nonsense", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x", ""}) {
    const TempFolder folder;
    ServerConfig config;
    config.data_folder = folder.path();
    config.listen = listen;
    const auto server = Server::Start(config, TROUPE_SOURCE_DIR);
    ASSERT_FALSE(server.ok()) << listen << " became " << (*server)->address();
    EXPECT_EQ(MetadataOf(server.status())["field"], "server.listen") << server.status();
  }
}

TEST(ListenTest, TellsTheSocketThatItListensOn) {
  const TempFolder folder;
  ServerConfig config;
  config.data_folder = folder.path();
  config.listen = "unix:" + (folder.path() / "socket").string();
  const auto server = Server::Start(config, TROUPE_SOURCE_DIR);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->address(), config.listen);
}

TEST_F(ServiceTest, SubmitRefusesEveryWrongField) {
  const auto wrong = [](std::function<void(v1::SubmitTaskRequest&)> change,
                        const std::string& field) {
    v1::SubmitTaskRequest request = Good();
    change(request);
    SCOPED_TRACE(field);
    Expect(Submit(request), StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", field);
  };
  wrong([](auto& r) { r.clear_spec(); }, "spec.kind");
  wrong([](auto& r) { r.set_request_id("not-a-uuid"); }, "request_id");
  wrong([](auto& r) { r.set_task_id("Has Capitals"); }, "task_id");
  wrong([](auto& r) { r.set_task_id("../../etc"); }, "task_id");
  wrong([](auto& r) { r.mutable_spec()->set_title(std::string(201, 'x')); }, "spec.title");
  wrong([](auto& r) { (*r.mutable_spec()->mutable_labels())["Bad Key"] = "x"; }, "spec.labels");
  wrong([](auto& r) { r.mutable_spec()->mutable_budget()->set_max_tokens(-1); },
        "spec.budget.max_tokens");
  wrong([](auto& r) { r.mutable_spec()->mutable_timeout()->set_seconds(-1); }, "spec.timeout");
  wrong([](auto& r) { (*r.mutable_spec()->mutable_models())["planner"] = "none"; },
        "spec.models[planner]");
  wrong([](auto& r) { (*r.mutable_spec()->mutable_prompts())["cellagent.planner"] = "99"; },
        "spec.prompts[cellagent.planner]");
  wrong([](auto& r) { r.mutable_spec()->add_inputs()->set_name("../x"); }, "spec.inputs[0].name");
  wrong([](auto& r) { r.mutable_spec()->add_inputs()->set_name("x"); }, "spec.inputs[0]");
  wrong([](auto& r) { r.mutable_spec()->mutable_cellagent()->clear_request(); },
        "spec.cellagent.request");
  wrong([](auto& r) { r.mutable_spec()->mutable_cellagent()->set_toolbox("x"); },
        "spec.cellagent.toolbox");
  wrong([](auto& r) { r.mutable_spec()->mutable_cellagent()->set_max_steps(33); },
        "spec.cellagent.max_steps");
  wrong([](auto& r) { r.mutable_spec()->mutable_cellagent()->set_satisfied_score(11); },
        "spec.cellagent.satisfied_score");
  v1::SubmitTaskRequest outside = Good();
  v1::InputFile* input = outside.mutable_spec()->add_inputs();
  input->set_name("x");
  input->set_path("/etc/passwd");
  Expect(Submit(outside), StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED",
         "spec.inputs[0].path");
}

TEST_F(ServiceTest, SubmitIsIdempotentByRequestId) {
  v1::SubmitTaskRequest request = Good();
  request.set_request_id("0b5e9e9e-4f86-4b7b-9d0e-3f2f6c1d2a3b");
  v1::Task first;
  v1::Task second;
  Expect(Submit(request, &first), StatusCode::OK, "");
  Expect(Submit(request, &second), StatusCode::OK, "");
  EXPECT_EQ(first.name(), second.name());
  request.mutable_spec()->set_title("another");
  Expect(Submit(request), StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED", "request_id");
  v1::SubmitTaskRequest named = Good();
  named.set_task_id("only-one");
  Expect(Submit(named), StatusCode::OK, "");
  Expect(Submit(named), StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS", "task_id");
}

TEST_F(ServiceTest, NamesThatAreNotThereOrMalformed) {
  v1::GetTaskRequest get;
  get.set_name("tasks/none");
  Expect(Call(tasks_, &v1::TaskService::Stub::GetTask, get), StatusCode::NOT_FOUND, "NOT_FOUND");
  get.set_name("none");
  Expect(Call(tasks_, &v1::TaskService::Stub::GetTask, get), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "name");
  v1::CancelTaskRequest cancel;
  cancel.set_name("tasks/none");
  Expect(Call(tasks_, &v1::TaskService::Stub::CancelTask, cancel), StatusCode::NOT_FOUND,
         "NOT_FOUND");
  v1::DeleteTaskRequest remove;
  remove.set_name("tasks/none");
  Expect(Call(tasks_, &v1::TaskService::Stub::DeleteTask, remove), StatusCode::NOT_FOUND,
         "NOT_FOUND");
  v1::ForkTaskRequest fork;
  fork.set_name("tasks/none/spans/3");
  Expect(Call(tasks_, &v1::TaskService::Stub::ForkTask, fork), StatusCode::NOT_FOUND, "NOT_FOUND");
  v1::ReplayTaskRequest replay;
  replay.set_name("spans/3");
  Expect(Call(tasks_, &v1::TaskService::Stub::ReplayTask, replay), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "name");
  v1::GetTraceRequest trace;
  trace.set_name("tasks/none");
  Expect(Call(traces_, &v1::TraceService::Stub::GetTrace, trace), StatusCode::NOT_FOUND,
         "NOT_FOUND");
  v1::GetSpanRequest span;
  span.set_name("tasks/x/spans/zero");
  Expect(Call(traces_, &v1::TraceService::Stub::GetSpan, span), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "name");
  v1::GetToolRequest tool;
  tool.set_name("tools/pyton");
  Expect(Call(tools_, &v1::ToolService::Stub::GetTool, tool), StatusCode::NOT_FOUND,
         "TOOL_UNKNOWN");
  v1::GetPromptRequest prompt;
  prompt.set_name("prompts/none");
  Expect(Call(prompts_, &v1::PromptService::Stub::GetPrompt, prompt), StatusCode::NOT_FOUND,
         "NOT_FOUND");
}

TEST_F(ServiceTest, ListsRefuseBadPagesAndFilters) {
  v1::ListTasksRequest list;
  list.set_page_size(-1);
  Expect(Call(tasks_, &v1::TaskService::Stub::ListTasks, list), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "page_size");
  list.set_page_size(0);
  list.set_page_token("forged");
  Expect(Call(tasks_, &v1::TaskService::Stub::ListTasks, list), StatusCode::INVALID_ARGUMENT,
         "PAGE_TOKEN_INVALID", "page_token");
  list.clear_page_token();
  for (const char* filter :
       {"colour = red", "state = LIVELY", "state", "state = ", "(state = FAILED", "state < FAILED",
        "title = \"open", "create_time > yesterday", "title = 'x'; DROP TABLE tasks"}) {
    list.set_filter(filter);
    SCOPED_TRACE(filter);
    Expect(Call(tasks_, &v1::TaskService::Stub::ListTasks, list), StatusCode::INVALID_ARGUMENT,
           "FILTER_INVALID", "filter");
  }
  v1::SearchSpansRequest search;
  search.set_query("\"open phrase");
  Expect(Call(traces_, &v1::TraceService::Stub::SearchSpans, search), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "query");
}

TEST_F(ServiceTest, DiffsRefuseWhatIsNotThere) {
  v1::SubmitTaskRequest request = Good();
  request.set_task_id("diffed");
  Expect(Submit(request), StatusCode::OK, "");
  v1::DiffTracesRequest diff;
  diff.set_name_a("tasks/diffed");
  diff.set_name_b("diffed");
  const auto call = [&] { return Call(traces_, &v1::TraceService::Stub::DiffTraces, diff); };
  Expect(call(), StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", "name_b");
  diff.set_name_b("tasks/none");
  Expect(call(), StatusCode::NOT_FOUND, "NOT_FOUND");
  diff.set_name_b("tasks/diffed");
  Expect(call(), StatusCode::OK, "");
  diff.set_path("no/such/path");
  Expect(call(), StatusCode::NOT_FOUND, "NOT_FOUND", "path");
  diff.clear_path();
  diff.set_page_size(-1);
  Expect(call(), StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", "page_size");
  diff.set_page_size(0);
  diff.set_page_token("forged");
  Expect(call(), StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", "page_token");
}

TEST_F(ServiceTest, PagesOfADiffCoverEverySpanOnce) {
  v1::SubmitTaskRequest request = Good();
  request.set_task_id("paged-a");
  Expect(Submit(request), StatusCode::OK, "");
  request.set_task_id("paged-b");
  Expect(Submit(request), StatusCode::OK, "");
  for (const char* name : {"tasks/paged-a", "tasks/paged-b"}) {
    grpc::ClientContext context;
    v1::WatchTaskRequest watch;
    watch.set_name(name);
    const auto stream = tasks_->WatchTask(&context, watch);
    v1::WatchTaskResponse event;
    while (stream->Read(&event) && !event.has_question_asked()) {
    }
    context.TryCancel();
  }
  v1::DiffTracesRequest diff;
  diff.set_name_a("tasks/paged-a");
  diff.set_name_b("tasks/paged-b");
  diff.set_include_same(true);
  diff.set_page_size(2);
  std::multiset<std::string> paths;
  int spans = 0;
  do {
    grpc::ClientContext context;
    v1::DiffTracesResponse response;
    ASSERT_TRUE(traces_->DiffTraces(&context, diff, &response).ok());
    EXPECT_LE(response.diffs_size(), 2);
    spans = response.totals().spans_a();
    EXPECT_EQ(response.totals().only_a() + response.totals().only_b(), 0);
    for (const v1::SpanDiff& pair : response.diffs()) paths.insert(pair.path());
    diff.set_page_token(response.next_page_token());
  } while (!diff.page_token().empty());
  EXPECT_GT(spans, 3);
  EXPECT_EQ(paths.size(), static_cast<size_t>(spans));
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
}

TEST_F(ServiceTest, PagesCoverEveryTaskOnce) {
  std::set<std::string> made;
  for (int i = 0; i < 5; ++i) {
    v1::SubmitTaskRequest request = Good();
    (*request.mutable_spec()->mutable_labels())["group"] = "paged";
    v1::Task task;
    Expect(Submit(request, &task), StatusCode::OK, "");
    made.insert(task.name());
  }
  std::multiset<std::string> seen;
  v1::ListTasksRequest list;
  list.set_page_size(2);
  list.set_filter("labels.group = paged AND NOT state = FAILED");
  do {
    grpc::ClientContext context;
    v1::ListTasksResponse response;
    ASSERT_TRUE(tasks_->ListTasks(&context, list, &response).ok());
    for (const v1::Task& task : response.tasks()) seen.insert(task.name());
    list.set_page_token(response.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(seen, std::multiset<std::string>(made.begin(), made.end()));
}

// A watch that reads until it ends. Thread-safe.
class OpenWatch : public grpc::ClientReadReactor<v1::WatchTaskResponse> {
 public:
  OpenWatch(v1::TaskService::Stub& tasks, const std::string& task) {
    request_.set_name(task);
    tasks.async()->WatchTask(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  ~OpenWatch() override {
    context_.TryCancel();
    MutexLock lock(&mutex_);
    mutex_.Await(Condition(&done_));
  }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(&mutex_);
      open_ = ok;
    }
    if (ok) StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    MutexLock lock(&mutex_);
    status_ = status;
    done_ = true;
  }

  // Whether it got an event, as opposed to an end.
  bool IsOpen() {
    MutexLock lock(&mutex_);
    const auto known = [this] { return open_ || done_; };
    mutex_.AwaitWithTimeout(Condition(&known), Slowness() * absl::Seconds(20));
    return open_ && !done_;
  }
  grpc::Status Wait() {
    MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(Condition(&done_), Slowness() * absl::Seconds(20));
    return done_ ? status_ : grpc::Status(StatusCode::DEADLINE_EXCEEDED, "it goes on");
  }

 private:
  grpc::ClientContext context_;
  v1::WatchTaskRequest request_;
  v1::WatchTaskResponse response_;
  Mutex mutex_;
  bool open_ = false;
  bool done_ = false;
  grpc::Status status_;
};

TEST_F(ServiceTest, WatchesLeaveTheirConnectionRoomForCalls) {
  v1::Task task;
  ASSERT_EQ(Submit(Good(), &task).code, StatusCode::OK);
  const auto connect = [] {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::TaskService::NewStub(grpc::CreateCustomChannel(
        server_->address(), grpc::InsecureChannelCredentials(), arguments));
  };
  const auto one = connect();
  std::vector<std::unique_ptr<OpenWatch>> watches;
  for (int i = 0; i < kWatchesPerConnection; ++i) {
    watches.push_back(std::make_unique<OpenWatch>(*one, task.name()));
  }
  for (const auto& watch : watches) ASSERT_TRUE(watch->IsOpen());
  // Some at once, as a client would that does not know of the limit.
  std::vector<std::unique_ptr<OpenWatch>> refused;
  for (int i = 0; i < 50; ++i) refused.push_back(std::make_unique<OpenWatch>(*one, task.name()));
  for (const auto& watch : refused) {
    const grpc::Status status = watch->Wait();
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(Look(status).reason, "LIMIT_REACHED");
    EXPECT_NE(status.error_message().find("use_local_subchannel_pool"), std::string::npos);
  }
  // Calls get through on it, and watches on another.
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(static_cast<int>(20 * Slowness())));
  v1::SubmitTaskResponse submitted;
  EXPECT_TRUE(one->SubmitTask(&context, Good(), &submitted).ok());
  const auto other = connect();
  EXPECT_TRUE(OpenWatch(*other, task.name()).IsOpen());
  // What ends makes room.
  watches.pop_back();
  bool again = false;
  for (int i = 0; i < 100 && !again; ++i) again = OpenWatch(*one, task.name()).IsOpen();
  EXPECT_TRUE(again);
}

TEST_F(ServiceTest, AnswersAreCheckedAndTasksCannotBeMisused) {
  v1::SubmitTaskRequest request = Good();
  request.set_task_id("asking");
  Expect(Submit(request), StatusCode::OK, "");
  grpc::ClientContext watching;
  v1::WatchTaskRequest watch;
  watch.set_name("tasks/asking");
  auto stream = tasks_->WatchTask(&watching, watch);
  v1::WatchTaskResponse event;
  int64_t last = 0;
  std::string question;
  while (question.empty() && stream->Read(&event)) {
    EXPECT_EQ(event.sequence(), last + 1);
    last = event.sequence();
    question = event.question_asked().name();
  }
  ASSERT_FALSE(question.empty());
  v1::RespondToTaskRequest respond;
  respond.set_name(question);
  Expect(Call(tasks_, &v1::TaskService::Stub::RespondToTask, respond), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "answer");
  respond.set_json("{");
  Expect(Call(tasks_, &v1::TaskService::Stub::RespondToTask, respond), StatusCode::INVALID_ARGUMENT,
         "INVALID_ARGUMENT_FIELD", "json");
  respond.set_name("tasks/asking/questions/1");
  respond.set_text("yes");
  Expect(Call(tasks_, &v1::TaskService::Stub::RespondToTask, respond),
         StatusCode::FAILED_PRECONDITION, "QUESTION_NOT_PENDING");
  v1::ReplayTaskRequest replay;
  replay.set_name("tasks/asking");
  Expect(Call(tasks_, &v1::TaskService::Stub::ReplayTask, replay), StatusCode::FAILED_PRECONDITION,
         "TASK_NOT_TERMINAL");
  v1::DeleteTaskRequest remove;
  remove.set_name("tasks/asking");
  Expect(Call(tasks_, &v1::TaskService::Stub::DeleteTask, remove), StatusCode::FAILED_PRECONDITION,
         "TASK_NOT_TERMINAL");
  v1::CancelTaskRequest cancel;
  cancel.set_name("tasks/asking");
  Expect(Call(tasks_, &v1::TaskService::Stub::CancelTask, cancel), StatusCode::OK, "");
  while (stream->Read(&event)) EXPECT_EQ(event.sequence(), ++last);
  EXPECT_TRUE(event.last());
  EXPECT_TRUE(stream->Finish().ok());
  Expect(Call(tasks_, &v1::TaskService::Stub::CancelTask, cancel), StatusCode::FAILED_PRECONDITION,
         "TASK_TERMINAL");
  v1::ExportTraceRequest notebook;
  notebook.set_name("tasks/asking");
  notebook.set_format(v1::ExportTraceRequest::FORMAT_NOTEBOOK);
  grpc::ClientContext exporting;
  Expect(Look(traces_->ExportTrace(&exporting, notebook)->Finish()),
         StatusCode::FAILED_PRECONDITION, "TASK_TERMINAL");
  grpc::ClientContext beyond;
  watch.set_after_sequence(last + 1);
  auto too_far = tasks_->WatchTask(&beyond, watch);
  EXPECT_FALSE(too_far->Read(&event));
  Expect(Look(too_far->Finish()), StatusCode::OUT_OF_RANGE, "SEQUENCE_OUT_OF_RANGE");
  Expect(Call(tasks_, &v1::TaskService::Stub::DeleteTask, remove), StatusCode::OK, "");
  Expect(Call(tasks_, &v1::TaskService::Stub::DeleteTask, remove), StatusCode::NOT_FOUND,
         "NOT_FOUND");
}

TEST_F(ServiceTest, PromptsAreVersionedCheckedAndPromoted) {
  v1::CreatePromptVersionRequest create;
  create.set_parent("prompts/cellagent.reporter");
  create.set_template_("Report on {{requests}}");
  Expect(Call(prompts_, &v1::PromptService::Stub::CreatePromptVersion, create),
         StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", "template");
  create.set_template_("Report on {{request}}: {{#each steps}}{{this.title}}{{/each}}");
  Expect(Call(prompts_, &v1::PromptService::Stub::CreatePromptVersion, create), StatusCode::OK, "");
  v1::PromotePromptRequest promote;
  promote.set_name("prompts/cellagent.reporter/versions/2");
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote),
         StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT_FIELD", "reason");
  promote.set_reason("it won");
  promote.set_etag("0");
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote), StatusCode::ABORTED,
         "ETAG_MISMATCH");
  promote.clear_etag();
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote),
         StatusCode::FAILED_PRECONDITION, "NO_RECORDED_WIN");
  promote.set_evidence("tasks/none");
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote), StatusCode::NOT_FOUND,
         "NOT_FOUND");
  promote.clear_evidence();
  promote.set_without_evidence(true);
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote), StatusCode::OK, "");
  promote.set_name("prompts/cellagent.reporter/versions/7");
  Expect(Call(prompts_, &v1::PromptService::Stub::PromotePrompt, promote), StatusCode::NOT_FOUND,
         "NOT_FOUND");
  v1::RollbackPromptRequest rollback;
  rollback.set_name("prompts/cellagent.reporter");
  rollback.set_reason("it is worse");
  Expect(Call(prompts_, &v1::PromptService::Stub::RollbackPrompt, rollback), StatusCode::OK, "");
  Expect(Call(prompts_, &v1::PromptService::Stub::RollbackPrompt, rollback),
         StatusCode::FAILED_PRECONDITION, "NOTHING_TO_ROLL_BACK");
}

TEST_F(ServiceTest, PromptsHaveTheirHistoryAndDifferences) {
  grpc::ClientContext create_context;
  v1::CreatePromptRequest create;
  create.set_prompt_id("quiz.answer");
  create.set_description("Answers");
  create.set_template_("Answer this:\n{{question}}\n");
  v1::PromptVariable* variable = create.add_variables();
  variable->set_name("question");
  variable->set_required(true);
  variable->set_type(v1::PromptVariable::TYPE_TEXT);
  v1::CreatePromptResponse created;
  const auto made = prompts_->CreatePrompt(&create_context, create, &created);
  ASSERT_TRUE(made.ok()) << made.error_message();
  EXPECT_TRUE(created.prompt().custom());
  EXPECT_EQ(created.prompt().variables(0).type(), v1::PromptVariable::TYPE_TEXT);
  grpc::ClientContext add_context;
  v1::CreatePromptVersionRequest add;
  add.set_parent("prompts/quiz.answer");
  add.set_template_("Answer this briefly:\n{{question}}\n");
  add.set_note("shorter");
  v1::CreatePromptVersionResponse added;
  ASSERT_TRUE(prompts_->CreatePromptVersion(&add_context, add, &added).ok());
  Expect(Call(prompts_, &v1::PromptService::Stub::CreatePromptVersion, add),
         StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS");
  grpc::ClientContext get_context;
  v1::GetPromptRequest get;
  get.set_name("prompts/quiz.answer");
  v1::GetPromptResponse got;
  ASSERT_TRUE(prompts_->GetPrompt(&get_context, get, &got).ok());
  ASSERT_EQ(got.prompt().versions_size(), 2);
  EXPECT_EQ(got.prompt().versions(1).note(), "shorter");
  EXPECT_EQ(got.prompt().versions(1).parent_version(), 1);
  EXPECT_EQ(got.prompt().versions(1).template_(), "");  // it is not the active one
  grpc::ClientContext version_context;
  v1::GetPromptVersionRequest get_version;
  get_version.set_name("prompts/quiz.answer/versions/2");
  v1::GetPromptVersionResponse version;
  ASSERT_TRUE(prompts_->GetPromptVersion(&version_context, get_version, &version).ok());
  EXPECT_EQ(version.version().template_(), add.template_());
  grpc::ClientContext diff_context;
  v1::DiffPromptVersionsRequest compare;
  compare.set_name_a("prompts/quiz.answer/versions/active");
  compare.set_name_b("prompts/quiz.answer/versions/2");
  v1::DiffPromptVersionsResponse diff;
  ASSERT_TRUE(prompts_->DiffPromptVersions(&diff_context, compare, &diff).ok());
  EXPECT_EQ(diff.unified(),
            "--- prompts/quiz.answer/versions/1\n+++ prompts/quiz.answer/versions/2\n"
            "@@ -1,2 +1,2 @@\n-Answer this:\n+Answer this briefly:\n {{question}}\n");
  ASSERT_EQ(diff.hunks_size(), 1);
  EXPECT_EQ(diff.hunks(0).lines(1).kind(), v1::DiffLine::KIND_ADDED);
  EXPECT_EQ(diff.hunks(0).lines(1).text(), "Answer this briefly:");
}

}  // namespace
}  // namespace troupe
