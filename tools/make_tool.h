// A tool from one function, its arguments a struct that describes its members (base/described.h):
//
//   struct Throw {
//     int64_t dice = 1;
//     static void Describe(Described<Throw>& d) {
//       d.Field("dice", &Throw::dice, "How many").Between(1, 10);
//     }
//   };
//
//   registry.Add(MakeTool<Throw>(
//       {.name = "dice", .version = "1", .description = "Throws dice."},
//       [](const Throw& args, const ToolContext&) { return Json(ThrowDice(args.dice)); }));
//
// The function returns a Json, std::string, ToolResult, absl::StatusOr of one of these, or an
// Async<ToolResult>. It runs on the task's thread: what takes longer than a moment is a coroutine,
// or hands its work to threads of its own. It is called for many tasks at once.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "tools/base/described.h"
#include "tools/tool.h"

namespace troupe {

namespace made {

template <typename T>
struct IsStatusOr : std::false_type {};
template <typename T>
struct IsStatusOr<absl::StatusOr<T>> : std::true_type {};

inline ToolResult ResultOf(ToolResult result) { return result; }
inline ToolResult ResultOf(Json value) {
  ToolResult result;
  result.value = std::move(value);
  return result;
}
inline ToolResult ResultOf(std::string text) {
  ToolResult result;
  result.value = text;
  result.content.push_back(ToolText{std::move(text)});
  return result;
}

template <typename Args, typename Function>
class FunctionTool : public Tool {
 public:
  FunctionTool(ToolSpec spec, Function function)
      : spec_(std::move(spec)), function_(std::move(function)) {}

  const ToolSpec& spec() const override { return spec_; }

  Async<ToolResult> Call(ToolCall call) override {
    // What does not fit has been refused before, and the registry catches what is thrown.
    Args args;
    DescriptionOf<Args>().Read(call.arguments, args);
    using Returned = std::invoke_result_t<Function&, const Args&, const ToolContext&>;
    if constexpr (std::is_same_v<Returned, Async<ToolResult>>) {
      co_return co_await function_(args, call.context);
    } else if constexpr (IsStatusOr<Returned>::value) {
      Returned returned = function_(args, call.context);
      if (!returned.ok()) co_return returned.status();
      co_return ResultOf(*std::move(returned));
    } else {
      co_return ResultOf(function_(args, call.context));
    }
  }

 private:
  const ToolSpec spec_;
  Function function_;
};

}  // namespace made

// `spec` names the tool and tells agents of it; the schemas come from Args, that of the result is
// "anything" unless it is given. A brief that is not given is the description's first line.
template <HasDescription Args, typename Function>
std::shared_ptr<Tool> MakeTool(ToolSpec spec, Function function) {
  spec.arguments_schema = DescriptionOf<Args>().Schema();
  if (spec.result_schema.is_null()) spec.result_schema = Json::object();
  if (spec.brief.empty()) spec.brief = spec.description.substr(0, spec.description.find('\n'));
  return std::make_shared<made::FunctionTool<Args, Function>>(std::move(spec), std::move(function));
}

}  // namespace troupe
