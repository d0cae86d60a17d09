#include "agents/workflow/function_call.h"

#include <fmt/format.h>

#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr size_t kMaxMessage = 4000;
constexpr char kReturned[] = "WorkflowFunctionReturned";
// What the kernel keeps of an exception's text; longer values are printed instead.
constexpr int kMaxRaised = 16'000;
constexpr int kMaxPrinted = 128 * 1024;

// The value is carried out by an exception, so that the cell leaves no state behind that would be
// kept. SIGALRM with its default action ends it wherever it is.
constexpr char kPython[] = R"py(import contextlib, io, json, signal, traceback
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.alarm({seconds})
class {returned}(Exception):
    pass
def _troupe_call(given):
    name, source = given["function"], given["source"]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            names = {{"__name__": name}}
            exec(compile(source, name, "exec"), names)
            value = names[name](**given["arguments"])
        return json.dumps({{"value": value}}, allow_nan=False)
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == name]
        line = frames[-1].lineno if frames else 0
        if isinstance(error, SyntaxError) and error.filename == name:
            line = error.lineno or 0
        lines = source.split("\n")
        code = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return json.dumps({{"error": {{"type": type(error).__name__, "message": str(error)[:2000],
                                     "line": line, "code": code[:500],
                                     "printed": printed.getvalue()[-1000:]}}}})
_troupe_said = _troupe_call(json.loads({given}))
signal.alarm(0)
if len(_troupe_said) > {max_raised}:
    print(_troupe_said[:{max_printed}], end="")
    _troupe_said = "" if len(_troupe_said) <= {max_printed} else "too long"
raise {returned}(_troupe_said)
)py";

constexpr char kR[] = R"r(local({{
  given <- jsonlite::fromJSON({given}, simplifyDataFrame = FALSE, simplifyMatrix = FALSE)
  said <- local({{
    line <- 0L
    tryCatch(withCallingHandlers({{
      setTimeLimit(elapsed = {seconds}, transient = TRUE)
      names <- new.env(parent = globalenv())
      expressions <- parse(text = given$source, keep.source = TRUE, encoding = "UTF-8")
      utils::capture.output({{
        for (expression in expressions) eval(expression, names)
        value <- do.call(get(given[["function"]], envir = names), as.list(given$arguments))
      }})
      as.character(jsonlite::toJSON(list(value = value), auto_unbox = TRUE, digits = NA,
                                    null = "null", na = "null", force = FALSE))
    }}, error = function(e) {{
      for (call in sys.calls()) {{
        where <- attr(call, "srcref")
        if (!is.null(where)) line <<- as.integer(where)[1L]
      }}
    }}), error = function(e) {{
      if (line == 0L) {{
        where <- regmatches(conditionMessage(e), regexec("<text>:([0-9]+):", conditionMessage(e)))
        if (length(where[[1L]]) == 2L) line <- as.integer(where[[1L]][2L])
      }}
      lines <- strsplit(given$source, "\n", fixed = TRUE)[[1L]]
      code <- if (line > 0L && line <= length(lines)) trimws(lines[line]) else ""
      as.character(jsonlite::toJSON(list(error = list(
        type = class(e)[1L], message = substr(conditionMessage(e), 1L, 2000L), line = line,
        code = substr(code, 1L, 500L), printed = "")), auto_unbox = TRUE))
    }})
  }})
  if (nchar(said) > {max_raised}) {{
    cat(substr(said, 1L, {max_printed}))
    said <- if (nchar(said) <= {max_printed}) "" else "too long"
  }}
  stop(structure(list(message = said, call = NULL),
                 class = c("{returned}", "error", "condition")))
}})
)r";

std::string ProgramOf(const FunctionCall& call) {
  const Json given = {
      {"function", call.name}, {"source", call.source}, {"arguments", call.arguments}};
  // JSON text as a literal: both languages write strings alike.
  return fmt::format(fmt::runtime(call.is_r ? kR : kPython),
                     fmt::arg("seconds", call.timeout_seconds), fmt::arg("returned", kReturned),
                     fmt::arg("given", DumpJson(DumpJson(given))),
                     fmt::arg("max_raised", kMaxRaised), fmt::arg("max_printed", kMaxPrinted));
}

absl::Status FailureOf(const std::string& function, const Json& error) {
  const auto line = JsonInt(error, "line");
  const std::string type = JsonString(error, "type", "Error");
  std::string message = fmt::format("{}: {}", type, JsonString(error, "message"));
  if (line > 0) {
    message =
        fmt::format("line {} of {} ({}): {}", line, function, JsonString(error, "code"), message);
  }
  const std::string printed = JsonString(error, "printed");
  if (!printed.empty()) message += "\nIt had printed:\n" + printed;
  return Error(Reason::kToolFailed, Elide(message, kMaxMessage),
               {{"error_type", type},
                {"error_line", std::to_string(line)},
                {"error_code", JsonString(error, "code")}});
}

absl::Status Ended(const FunctionCall& call, std::string_view type, std::string_view why) {
  return Error(Reason::kToolFailed, fmt::format("{}: {}", call.name, why),
               {{"error_type", std::string(type)}});
}

absl::StatusOr<Json> ReturnedValue(const FunctionCall& call, const std::string& said) {
  if (said == "too long") {
    return Ended(call, "ValueError",
                 fmt::format("what it returns has over {} bytes as JSON", kMaxPrinted));
  }
  ASSIGN_OR_RETURN(const Json outcome, ParseJson(said, "what the function returns"));
  if (outcome.contains("error")) return FailureOf(call.name, outcome["error"]);
  return JsonMember(outcome, "value");
}

absl::StatusOr<Json> OutcomeOf(const FunctionCall& call, const ToolResult& result) {
  std::string printed;
  for (const Json& output : JsonArray(result.value, "outputs")) {
    if (JsonString(output, "output_type") == "stream") printed += JsonString(output, "text");
    if (JsonString(output, "ename") != kReturned) continue;
    const std::string raised = JsonString(output, "evalue");
    return ReturnedValue(call, raised.empty() ? printed : raised);
  }
  const std::string status = JsonString(result.value, "status");
  if (status.empty()) {
    return Error(Reason::kPermissionDenied,
                 fmt::format("the code was not run: {}", Elide(TextOf(result), kMaxMessage)));
  }
  if (status == "timeout" || status == "killed") {
    return Ended(call, "Timeout",
                 fmt::format("it was ended: it took longer than {} s or more than it may: {}",
                             call.timeout_seconds, Elide(TextOf(result), kMaxMessage)));
  }
  return Ended(call, "Error", Elide(TextOf(result), kMaxMessage));
}

}  // namespace

Async<Json> CallFunction(const Scope& scope, FunctionCall call) {
  const std::string tool = call.is_r ? "r" : "python";
  Json arguments = {{"code", ProgramOf(call)}, {"from", ""}};
  CO_ASSIGN_OR_RETURN(ToolResult result, co_await scope.CallTool("call", tool, arguments));
  if (JsonString(result.value, "status") == "killed") {
    // By the code, and then it will be again; or the sandbox died under it.
    CO_ASSIGN_OR_RETURN(result, co_await scope.CallTool("call.again", tool, std::move(arguments)));
  }
  co_return OutcomeOf(call, result);
}

}  // namespace troupe
