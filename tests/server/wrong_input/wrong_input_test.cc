// A wrong value in every field of every method's request, from the tables of rows.h: the documented
// code, the reason, and the field's name in the details. The contract itself says which fields
// there are, so that a field which is added is missed here until it has its row.
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/server.h"
#include "tests/server/raw_call.h"
#include "tests/server/wrong_input/rows.h"
#include "tests/support/temp_folder.h"
#include "troupe/v1/dataset_service.pb.h"
#include "troupe/v1/optimizer_service.pb.h"
#include "troupe/v1/prompt_service.pb.h"
#include "troupe/v1/task_service.pb.h"
#include "troupe/v1/tool_service.pb.h"
#include "troupe/v1/trace_service.pb.h"

namespace troupe {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using grpc::StatusCode;

// "x*3" as "xxx".
std::string Expanded(const std::string& text) {
  const size_t star = text.find('*');
  if (star == std::string::npos) return text;
  size_t digits = 0;
  const size_t count = std::stoul(text.substr(star + 1), &digits);
  return text.substr(0, star - 1) + std::string(count, text[star - 1]) +
         text.substr(star + 1 + digits);
}

// "spec.inputs[0].name" as "spec.inputs.name".
std::string WithoutIndices(const std::string& field) {
  std::string plain;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '[')
      i = field.find(']', i);
    else
      plain += field[i];
  }
  return plain;
}

bool IsOneValue(const Descriptor& type) {
  return type.full_name() == "google.protobuf.Duration" ||
         type.full_name() == "google.protobuf.Struct" ||
         type.full_name() == "google.protobuf.Value";
}

// The paths of all fields that hold a value. `around`: the types of the messages they are in.
void AddFields(const Descriptor& message, const std::string& prefix,
               std::vector<const Descriptor*>& around, std::set<std::string>& fields) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = prefix + field.name();
    const Descriptor* type = field.message_type();
    if (field.is_map()) type = type->FindFieldByName("value")->message_type();
    // Workflows are checked alike wherever they stand; what they hold is looked at once.
    const bool looked_at = type == v1::Workflow::descriptor() && path != "spec.workflow.workflow";
    if (looked_at) {
      fields.insert(path + ".steps");
    } else if (type == nullptr || IsOneValue(*type)) {
      fields.insert(path);
    } else if (std::find(around.begin(), around.end(), type) == around.end()) {
      // Not again what is within itself: steps, conditions.
      around.push_back(type);
      AddFields(*type, path + ".", around, fields);
      around.pop_back();
    }
  }
}

std::vector<const MethodDescriptor*> Methods() {
  std::vector<const MethodDescriptor*> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::SubmitTaskRequest::descriptor()->file(), v1::GetTraceRequest::descriptor()->file(),
        v1::GetToolRequest::descriptor()->file(), v1::GetPromptRequest::descriptor()->file(),
        v1::GetDatasetRequest::descriptor()->file(), v1::StepRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back(file->service(s)->method(m));
      }
    }
  }
  return methods;
}

const MethodDescriptor* MethodNamed(const std::string& name) {
  for (const MethodDescriptor* method : Methods()) {
    if (method->name() == name) return method;
  }
  return nullptr;
}

class WrongInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder();
    ServerConfig config;
    config.listen = "127.0.0.1:0";
    config.data_folder = folder_->path() / "data";
    config.toolbox_folders.push_back(std::string(TROUPE_SOURCE_DIR) + "/tests/end_to_end/toolbox");
    auto server = Server::Start(config, TROUPE_SOURCE_DIR);
    // A failed set-up would count as skipped, and so as passed.
    if (!server.ok()) {
      ADD_FAILURE() << server.status();
      std::abort();
    }
    server_ = server->release();
    // A small data set for what is checked against one.
    const grpc::Status uploaded =
        Call("CreateDataset", R"({"header": {"dataset_id": "d", "format": 1},
                                  "chunk": "eyJxdWVzdGlvbiI6ICJxIiwgImFuc3dlciI6ICJhIn0="})",
             2);
    EXPECT_TRUE(uploaded.ok()) << uploaded.error_message();
    const grpc::Status made = Call("CreateOptimizer", R"({"optimizer_id": "o"})", 2);
    EXPECT_TRUE(made.ok()) << made.error_message();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }

  static std::shared_ptr<grpc::Channel> Channel() {
    grpc::ChannelArguments arguments;
    return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  // A call that has more than one reply, or whose one reply is wanted with its status, says `most`.
  static grpc::Status Call(const std::string& method, const std::string& json, size_t most = 1) {
    const MethodDescriptor* descriptor = MethodNamed(method);
    if (descriptor == nullptr) return grpc::Status(StatusCode::UNIMPLEMENTED, "no such method");
    const std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(descriptor->input_type())
            ->New());
    const auto parsed = google::protobuf::util::JsonStringToMessage(Expanded(json), request.get());
    EXPECT_TRUE(parsed.ok()) << parsed << json;
    return RawCall(Channel(), "/" + descriptor->service()->full_name() + "/" + method,
                   request->SerializeAsString(), most)
        .status;
  }

  static TempFolder* folder_;
  static Server* server_;
};

TempFolder* WrongInputTest::folder_ = nullptr;
Server* WrongInputTest::server_ = nullptr;

TEST_F(WrongInputTest, EveryRowGetsItsCodeAndNamesItsField) {
  for (const WrongInputRow& row : AllWrongInputRows()) {
    SCOPED_TRACE(row.method + " " + row.field + " " + row.request.substr(0, 200));
    const grpc::Status status = Call(row.method, row.request);
    EXPECT_EQ(status.error_code(), row.code) << status.error_message();
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), status.error_code());
    EXPECT_EQ(details.message(), status.error_message());
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    for (const auto& detail : details.details()) {
      detail.UnpackTo(&info);
      detail.UnpackTo(&bad);
    }
    EXPECT_EQ(info.domain(), "troupe");
    EXPECT_EQ(info.reason(), row.reason);
    EXPECT_EQ(info.metadata().at("field"), row.field);
    EXPECT_FALSE(status.error_message().starts_with(":")) << status.error_message();
    if (row.code == StatusCode::INVALID_ARGUMENT) {
      ASSERT_EQ(bad.field_violations_size(), 1);
      EXPECT_EQ(bad.field_violations(0).field(), row.field);
    }
  }
}

TEST_F(WrongInputTest, EveryFieldOfTheContractHasARow) {
  std::set<std::string> covered = FieldsThatTakeAnything();
  for (const WrongInputRow& row : AllWrongInputRows())
    covered.insert(row.method + " " + WithoutIndices(row.field));
  for (const MethodDescriptor* method : Methods()) {
    std::set<std::string> fields;
    std::vector<const Descriptor*> around;
    AddFields(*method->input_type(), "", around, fields);
    for (const std::string& field : fields) {
      EXPECT_TRUE(covered.contains(method->name() + " " + field))
          << "no wrong value for " << method->name() << " " << field;
    }
  }
}

TEST_F(WrongInputTest, WhatIsNotThereIsNotFound) {
  for (const auto& [method, request] : std::vector<std::pair<std::string, std::string>>{
           {"GetTask", R"({"name": "tasks/none"})"},
           {"WatchTask", R"({"name": "tasks/none"})"},
           {"CancelTask", R"({"name": "tasks/none"})"},
           {"RespondToTask", R"({"name": "tasks/none", "text": "x"})"},
           {"ForkTask", R"({"name": "tasks/none"})"},
           {"ReplayTask", R"({"name": "tasks/none"})"},
           {"DeleteTask", R"({"name": "tasks/none"})"},
           {"ReadArtifact", R"({"name": "tasks/none/artifacts/report.md"})"},
           {"GetTrace", R"({"name": "tasks/none"})"},
           {"GetSpan", R"({"name": "tasks/none/spans/1"})"},
           {"ListSpans", R"({"parent": "tasks/none"})"},
           {"WatchSpans", R"({"name": "tasks/none"})"},
           {"DiffTraces", R"({"name_a": "tasks/none", "name_b": "tasks/none"})"},
           {"SearchSpans", R"({"parent": "tasks/none", "query": "x"})"},
           {"ExportTrace", R"({"name": "tasks/none"})"},
           {"ExportTrace", R"({"name": "tasks/none", "format": "FORMAT_NOTEBOOK"})"},
           {"GetUsage", R"({"parent": "tasks/none"})"},
           {"GetTool", R"({"name": "tools/none"})"},
           {"AcceptTool", R"({"name": "tools/none", "version": "x"})"},
           {"GetDataset", R"({"name": "datasets/none"})"},
           {"GetOptimizer", R"({"name": "optimizers/none"})"},
           {"DeleteOptimizer", R"({"name": "optimizers/none"})"},
           {"Step", R"({"name": "optimizers/none"})"},
           {"GetStep", R"({"name": "optimizers/none/steps/1"})"},
           {"GetStep", R"({"name": "optimizers/o/steps/1"})"},
           {"ListSteps", R"({"parent": "optimizers/none"})"},
           {"ReportScore", R"({"name": "optimizers/o/steps/1"})"},
           {"Revert", R"({"name": "optimizers/none"})"},
           {"GetBest", R"({"name": "optimizers/o"})"},
           {"ListDatasetItems", R"({"parent": "datasets/none"})"},
           {"DeleteDataset", R"({"name": "datasets/none"})"},
           {"GetPrompt", R"({"name": "prompts/none"})"},
           {"CreatePromptVersion", R"({"parent": "prompts/none", "template": "x"})"},
           {"PromotePrompt", R"({"name": "prompts/none/versions/1", "reason": "x"})"}}) {
    EXPECT_EQ(Call(method, request).error_code(), StatusCode::NOT_FOUND) << method << request;
  }
}

TEST_F(WrongInputTest, BytesThatAreNoMessageHarmNobody) {
  for (const MethodDescriptor* method : Methods()) {
    const std::string path = "/" + method->service()->full_name() + "/" + method->name();
    for (const std::string& bytes : {std::string("\xff\xff\xff\xff"), std::string(1000, '\x08'),
                                     std::string("\x0a\x02\xc3\x28", 4)}) {
      EXPECT_FALSE(RawCall(Channel(), path, bytes).status.ok()) << path;
    }
  }
  EXPECT_EQ(RawCall(Channel(), "/troupe.v1.TaskService/NoSuchMethod", "").status.error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(Call("ListTasks", "{}").error_code() != StatusCode::UNAVAILABLE);
}

TEST_F(WrongInputTest, HealthAndReflectionAnswer) {
  // HealthCheckResponse {status: SERVING}
  EXPECT_EQ(RawCall(Channel(), "/grpc.health.v1.Health/Check", "").messages,
            std::vector<std::string>{std::string("\x08\x01")});
  // ServerReflectionRequest {list_services: ""}
  const auto listed =
      RawCall(Channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x00", 2));
  ASSERT_EQ(listed.messages.size(), 1u) << listed.status.error_message();
  for (const char* service :
       {"troupe.v1.TaskService", "troupe.v1.TraceService", "troupe.v1.ToolService",
        "troupe.v1.PromptService", "troupe.v1.DatasetService", "grpc.health.v1.Health"}) {
    EXPECT_NE(listed.messages[0].find(service), std::string::npos) << service;
  }
}

}  // namespace
}  // namespace troupe
