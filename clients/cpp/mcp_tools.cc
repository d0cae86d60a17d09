#include "clients/cpp/mcp_tools.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace troupe::client {
namespace {

constexpr int kMostTasks = 100;
constexpr int kMostSpans = 500;
constexpr int kMostHits = 100;
constexpr int kLongestWait = 3600;
constexpr int kDefaultWait = 60;
constexpr size_t kMostEvents = 200;

// What a call failed with, for the one that made it.
struct Failure {
  std::string text;
};

std::string ReasonText(const grpc::Status& status) {
  google::rpc::Status details;
  std::string reason;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) {
      google::rpc::ErrorInfo info;
      if (detail.UnpackTo(&info)) reason = fmt::format(" [{}]", info.reason());
    }
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && reason.empty()) {
    reason = ". Is the Troupe server running?";
  }
  return status.error_message() + reason;
}

void Check(const grpc::Status& status) {
  if (!status.ok()) throw Failure{ReasonText(status)};
}

std::string Text(const McpJson& arguments, const char* key, const std::string& fallback = "") {
  const auto found = arguments.find(key);
  if (found == arguments.end() || found->is_null()) return fallback;
  if (!found->is_string()) throw Failure{fmt::format("{} must be a text", key)};
  return found->get<std::string>();
}

std::string Required(const McpJson& arguments, const char* key) {
  std::string text = Text(arguments, key);
  if (text.empty()) throw Failure{fmt::format("{} is required", key)};
  return text;
}

int64_t Number(const McpJson& arguments, const char* key, int64_t fallback, int64_t most) {
  const auto found = arguments.find(key);
  if (found == arguments.end() || found->is_null()) return fallback;
  if (!found->is_number()) throw Failure{fmt::format("{} must be a number", key)};
  const double value = found->get<double>();
  if (value < 1 || value > static_cast<double>(most)) {
    throw Failure{fmt::format("{} must be 1 to {}", key, most)};
  }
  return static_cast<int64_t>(value);
}

McpJson ToValue(const google::protobuf::Message& message) {
  return McpJson::parse(ToJson(message, false), nullptr, false);
}

McpJson Object(McpJson properties, McpJson required = McpJson::array()) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

McpJson TextField(const char* description) {
  return {{"type", "string"}, {"description", description}};
}

McpJson NumberField(const char* description, int64_t most) {
  return {{"type", "integer"}, {"description", description}, {"minimum", 1}, {"maximum", most}};
}

// A task as the API has it; other fields of it are told as they come.
McpJson TaskSchema() {
  return {{"type", "object"},
          {"properties", {{"name", {{"type", "string"}}}, {"state", {{"type", "string"}}}}},
          {"required", {"name", "state"}}};
}

McpJson ListSchema(const char* key) {
  return {{"type", "object"}, {"properties", {{key, {{"type", "array"}}}}}, {"required", {key}}};
}

// --- the tools ---

v1::Task GetTask(Connection& connection, const std::string& name, McpRunningCall& running) {
  v1::GetTaskRequest request;
  request.set_name(name);
  v1::GetTaskResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().GetTask(&context, request, &response);
  }));
  return response.task();
}

v1::TaskSpec SpecFrom(const McpJson& arguments) {
  McpJson spec = arguments.contains("spec") ? arguments["spec"] : McpJson::object();
  if (!spec.is_object()) throw Failure{"spec must be an object: a TaskSpec"};
  const std::string said = Text(arguments, "request");
  if (said.empty() == spec.empty()) throw Failure{"give either a request or a spec"};
  if (!said.empty() && Text(arguments, "kind", "chat") == "chat") {
    spec["chat"]["turns"] = {said};
    if (arguments.contains("tools")) spec["chat"]["tools"] = arguments["tools"];
    if (arguments.contains("system")) spec["chat"]["system"] = arguments["system"];
  } else if (!said.empty()) {
    spec["cellagent"]["request"] = said;
  }
  if (arguments.contains("title")) spec["title"] = arguments["title"];
  if (arguments.contains("max_model_calls")) {
    spec["budget"]["max_model_calls"] = arguments["max_model_calls"];
  }
  if (arguments.contains("timeout_seconds")) {
    spec["timeout"] = fmt::format("{}s", Number(arguments, "timeout_seconds", 0, 31'536'000));
  }
  v1::TaskSpec message;
  const auto read = google::protobuf::util::JsonStringToMessage(spec.dump(), &message);
  if (!read.ok()) throw Failure{"the spec does not fit: " + std::string(read.message())};
  return message;
}

McpJson SubmitTask(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::SubmitTaskRequest request;
  request.set_request_id(Text(arguments, "request_id", NewRequestId()));
  request.set_task_id(Text(arguments, "task_id"));
  *request.mutable_spec() = SpecFrom(arguments);
  v1::SubmitTaskResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().SubmitTask(&context, request, &response);
  }));
  return ToValue(response.task());
}

McpJson ShowTask(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  return ToValue(GetTask(connection, TaskName(Required(arguments, "task")), running));
}

McpJson ListTasks(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::ListTasksRequest request;
  request.set_filter(Text(arguments, "filter"));
  request.set_page_size(static_cast<int>(Number(arguments, "limit", 20, kMostTasks)));
  request.set_page_token(Text(arguments, "page_token"));
  v1::ListTasksResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().ListTasks(&context, request, &response);
  }));
  McpJson listed = ToValue(response);
  listed.emplace("tasks", McpJson::array());
  return listed;
}

std::string EventLine(const v1::WatchTaskResponse& event) {
  if (event.has_state_changed()) return v1::Task::State_Name(event.state_changed().state());
  if (event.has_span_started()) {
    const v1::Span& span = event.span_started().span();
    return fmt::format("{} {}", span.path(), span.title());
  }
  if (event.has_progress()) return event.progress().text();
  if (event.has_question_asked()) return "asks: " + event.question_asked().prompt();
  return "";
}

bool WaitsForAPerson(Connection& connection, const std::string& name, McpRunningCall& running) {
  v1::GetTaskRequest request;
  request.set_name(name);
  v1::GetTaskResponse response;
  const grpc::Status status = running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().GetTask(&context, request, &response);
  });
  return status.ok() && response.task().state() == v1::Task::STATE_INPUT_REQUIRED;
}

// Until the task ends or asks a person, or the time is over. A host may then call again with
// after_sequence.
McpJson WaitForTask(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  const std::string name = TaskName(Required(arguments, "task"));
  const int64_t seconds = Number(arguments, "seconds", kDefaultWait, kLongestWait);
  v1::WatchTaskRequest request;
  request.set_name(name);
  if (arguments.contains("after_sequence")) {
    request.set_after_sequence(Number(arguments, "after_sequence", 0, int64_t{1} << 53));
  }
  McpJson events = McpJson::array();
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
  bool enough = false;
  const grpc::Status watched =
      running.Run(std::move(context), [&](grpc::ClientContext& context) -> grpc::Status {
        auto stream = connection.watches().WatchTask(&context, request);
        v1::WatchTaskResponse event;
        while (!enough && stream->Read(&event)) {
          const std::string line = EventLine(event);
          if (!line.empty()) {
            running.Progress(line);
            if (events.size() < kMostEvents) events.push_back(line);
          }
          // The events may tell of a question that was answered long ago.
          const bool asks = event.state_changed().state() == v1::Task::STATE_INPUT_REQUIRED;
          enough = event.last() || (asks && WaitsForAPerson(connection, name, running));
        }
        if (enough) context.TryCancel();
        return stream->Finish();
      });
  if (running.cancelled()) throw Failure{"cancelled"};
  if (!enough && watched.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) Check(watched);
  McpJson result = ToValue(GetTask(connection, name, running));
  result["events"] = std::move(events);
  return result;
}

McpJson CancelTask(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::CancelTaskRequest request;
  request.set_name(TaskName(Required(arguments, "task")));
  request.set_reason(Text(arguments, "reason"));
  v1::CancelTaskResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().CancelTask(&context, request, &response);
  }));
  return ToValue(response.task());
}

McpJson RespondToTask(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::RespondToTaskRequest request;
  request.set_name(TaskName(Text(arguments, "question", Text(arguments, "task"))));
  if (!arguments.contains("answer")) throw Failure{"answer is required"};
  const McpJson& answer = arguments["answer"];
  if (answer.is_string()) {
    request.set_text(answer.get<std::string>());
  } else {
    request.set_json(answer.dump());
  }
  v1::RespondToTaskResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.tasks().RespondToTask(&context, request, &response);
  }));
  return ToValue(response.task());
}

McpJson SearchSpans(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::SearchSpansRequest request;
  request.set_query(Required(arguments, "query"));
  if (const std::string task = Text(arguments, "task"); !task.empty()) {
    request.set_parent(TaskName(task));
  }
  request.set_page_size(static_cast<int>(Number(arguments, "limit", 20, kMostHits)));
  v1::SearchSpansResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.traces().SearchSpans(&context, request, &response);
  }));
  McpJson hits = ToValue(response);
  hits.emplace("hits", McpJson::array());
  return hits;
}

McpJson GetTrace(Connection& connection, const McpJson& arguments, McpRunningCall& running) {
  v1::GetTraceRequest request;
  request.set_name(TaskName(Required(arguments, "task")));
  request.set_page_size(static_cast<int>(Number(arguments, "limit", 100, kMostSpans)));
  request.set_page_token(Text(arguments, "page_token"));
  if (arguments.value("full", McpJson(false)) == McpJson(true)) {
    request.set_view(v1::SPAN_VIEW_FULL);
  }
  v1::GetTraceResponse response;
  Check(running.Run(CallContext(), [&](grpc::ClientContext& context) {
    return connection.traces().GetTrace(&context, request, &response);
  }));
  response.clear_task();
  McpJson trace = ToValue(response);
  trace.emplace("spans", McpJson::array());
  return trace;
}

struct ToolEntry {
  const char* name;
  const char* description;
  McpJson input;
  McpJson output;
  McpJson annotations;
  McpJson (*run)(Connection&, const McpJson&, McpRunningCall&);
};

const std::vector<ToolEntry>& Entries() {
  const McpJson reads = {{"readOnlyHint", true}, {"openWorldHint", false}};
  const McpJson task = TextField("The task: its id, or tasks/ID");
  static const std::vector<ToolEntry> entries = {
      {"submit_task",
       "Submits a task to agents: a chat with a model that may call tools, an analysis of data "
       "(cellagent), or any TaskSpec. Returns at once; wait_for_task waits for the result.",
       Object({{"request", TextField("What to do, in words")},
               {"kind", {{"type", "string"}, {"enum", {"chat", "cellagent"}}}},
               {"tools",
                {{"type", "array"},
                 {"items", {{"type", "string"}}},
                 {"description", "Of a chat: names of tools that the model may call"}}},
               {"system", TextField("Of a chat: what the model is told before all else")},
               {"spec",
                {{"type", "object"}, {"description", "A TaskSpec as JSON, in place of a request"}}},
               {"title", TextField("One line for people")},
               {"task_id", TextField("The id of the new task; chosen if not given")},
               {"request_id", TextField("A UUID that makes the call idempotent")},
               {"max_model_calls", NumberField("Budget: calls of models", 1'000'000)},
               {"timeout_seconds", NumberField("How long the task may take", 31'536'000)}}),
       TaskSchema(),
       {{"readOnlyHint", false}, {"destructiveHint", false}, {"openWorldHint", true}},
       SubmitTask},
      {"get_task", "Returns a task: its state, result, cost, open questions.",
       Object({{"task", task}}, {"task"}), TaskSchema(), reads, ShowTask},
      {"list_tasks", "Lists tasks, newest first.",
       Object({{"filter", TextField("As: state = RUNNING AND labels.team = bio")},
               {"limit", NumberField("How many", kMostTasks)},
               {"page_token", TextField("next_page_token of the page before")}}),
       ListSchema("tasks"), reads, ListTasks},
      {"wait_for_task",
       "Waits until a task ends or asks a person, or the time is over, and returns it with what "
       "happened meanwhile. Call again to wait longer.",
       Object({{"task", task},
               {"seconds", NumberField("How long to wait; 60 if not given", kLongestWait)},
               {"after_sequence",
                NumberField("Leave out events up to this last_sequence", int64_t{1} << 53)}},
              {"task"}),
       TaskSchema(), reads, WaitForTask},
      {"cancel_task",
       "Asks a task to stop.",
       Object({{"task", task}, {"reason", TextField("Why, for the record")}}, {"task"}),
       TaskSchema(),
       {{"readOnlyHint", false}, {"destructiveHint", true}, {"idempotentHint", true}},
       CancelTask},
      {"respond_to_task",
       "Answers a question that a task waits with.",
       Object({{"task", task},
               {"question", TextField("tasks/ID/questions/N, if the task asks several")},
               {"answer", {{"description", "A text, or JSON by the question's json_schema"}}}},
              {"task", "answer"}),
       TaskSchema(),
       {{"readOnlyHint", false}, {"destructiveHint", false}},
       RespondToTask},
      {"search_spans", "Searches what agents said, ran and printed in all traces.",
       Object({{"query", TextField("Words; \"a phrase\"; prefix*")},
               {"task", task},
               {"limit", NumberField("How many", kMostHits)}},
              {"query"}),
       ListSchema("hits"), reads, SearchSpans},
      {"get_trace", "Returns what a task did: its spans, in the order in which they began.",
       Object({{"task", task},
               {"full", {{"type", "boolean"}, {"description", "With requests and responses"}}},
               {"limit", NumberField("How many spans", kMostSpans)},
               {"page_token", TextField("next_page_token of the page before")}},
              {"task"}),
       ListSchema("spans"), reads, GetTrace},
  };
  return entries;
}

McpJson Failed(const std::string& why) {
  return {{"content", {{{"type", "text"}, {"text", why}}}}, {"isError", true}};
}

}  // namespace

void McpRunningCall::Cancel() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool McpRunningCall::cancelled() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_;
}

grpc::Status McpRunningCall::Run(std::unique_ptr<grpc::ClientContext> context,
                                 const std::function<grpc::Status(grpc::ClientContext&)>& call) {
  grpc::ClientContext* outer = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) return {grpc::StatusCode::CANCELLED, "cancelled"};
    outer = std::exchange(context_, context.get());
  }
  const grpc::Status status = call(*context);
  const std::lock_guard<std::mutex> lock(mutex_);
  context_ = outer;
  // Cancel has reached the inner call alone.
  if (cancelled_ && outer != nullptr) outer->TryCancel();
  return status;
}

const McpJson& McpToolList() {
  static const McpJson tools = [] {
    McpJson list = McpJson::array();
    for (const ToolEntry& entry : Entries()) {
      list.push_back({{"name", entry.name},
                      {"description", entry.description},
                      {"inputSchema", entry.input},
                      {"outputSchema", entry.output},
                      {"annotations", entry.annotations}});
    }
    return list;
  }();
  return tools;
}

McpJson CallMcpTool(Connection& connection, const std::string& tool, const McpJson& arguments,
                    McpRunningCall& running) {
  for (const ToolEntry& entry : Entries()) {
    if (entry.name != tool) continue;
    try {
      if (!arguments.is_object()) throw Failure{"the arguments must be an object"};
      for (const auto& [key, value] : arguments.items()) {
        if (!entry.input["properties"].contains(key)) {
          throw Failure{fmt::format("there is no argument '{}'", key)};
        }
      }
      McpJson value = entry.run(connection, arguments, running);
      const std::string text = value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
      return {{"content", {{{"type", "text"}, {"text", text}}}},
              {"structuredContent", std::move(value)}};
    } catch (const Failure& failure) {
      return Failed(failure.text);
    } catch (const std::exception& error) {
      return Failed(error.what());
    }
  }
  return nullptr;
}

}  // namespace troupe::client
