#include "agents/trace/code_checker.h"

#include <fmt/format.h>

#include "agents/runtime/text.h"
#include "agents/runtime/tool_answer.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

constexpr char kSays[] = "TroupeSays";
constexpr size_t kMaxCheckReason = 1000;

// A cell that fails leaves no state behind, so the verdict is raised.
constexpr char kPythonProgram[] = R"py(import ast, json
class TroupeSays(Exception):
    pass
def _signature(tree):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return node.name, ast.unparse(node.args)
    return None
def _verdict(code, current):
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return f"it does not parse: {{error.msg}} in line {{error.lineno}}: {{(error.text or '').strip()}}"
    except Exception as error:
        return f"it does not parse: {{type(error).__name__}}: {{error}}"
    try:
        wanted = _signature(ast.parse(current))
    except Exception:
        wanted = None
    found = _signature(tree)
    if wanted is None or wanted == found:
        return ""
    if found is None:
        return f"it must define the function {{wanted[0]}}({{wanted[1]}})"
    return f"it defines {{found[0]}}({{found[1]}}) and must define {{wanted[0]}}({{wanted[1]}})"
raise TroupeSays(_verdict(*json.loads({})))
)py";

constexpr char kRProgram[] = R"r(local({{
  signature <- function(parsed) {{
    for (each in as.list(parsed)) {{
      if (is.call(each) && as.character(each[[1]])[1] %in% c("<-", "=") && is.call(each[[3]]) &&
          identical(each[[3]][[1]], as.name("function"))) {{
        return(paste0(as.character(each[[2]])[1], "(", paste(names(each[[3]][[2]]), collapse = ", "), ")"))
      }}
    }}
    ""
  }}
  verdict <- tryCatch({{
    found <- signature(parse(text = {}, keep.source = FALSE))
    wanted <- tryCatch(signature(parse(text = {}, keep.source = FALSE)), error = function(e) "")
    if (wanted == "" || wanted == found) "" else paste0("it must define ", wanted)
  }}, error = function(e) paste("it does not parse:", conditionMessage(e)))
  stop(paste0("TroupeSays:", verdict, ":TroupeSays"))
}})
)r";

}  // namespace

std::optional<std::string> SaidBy(const ToolResult& result) {
  constexpr std::string_view kMark = "TroupeSays:";
  for (const Json& output : JsonArray(result.value, "outputs")) {
    const std::string value = JsonString(output, "evalue");
    if (JsonString(output, "ename") == kSays) return value;
    const size_t begin = value.find(kMark);
    const size_t end = value.rfind(":TroupeSays");
    if (begin == std::string::npos || end == std::string::npos || end < begin) continue;
    return value.substr(begin + kMark.size(), end - begin - kMark.size());
  }
  return std::nullopt;
}

Async<std::string> SandboxCodeChecker::WhyRefused(const Scope& scope, std::string name,
                                                  std::string code, std::string current) const {
  const bool python = language_ == Language::kPython;
  // JSON text is a literal of Python and of R: all write strings alike.
  const std::string program =
      python ? fmt::format(kPythonProgram, DumpJson(DumpJson(Json::array({code, current}))))
             : fmt::format(kRProgram, DumpJson(code), DumpJson(current));
  Json arguments = {{"code", program}, {"from", ""}};
  CO_ASSIGN_OR_RETURN(const ToolResult result,
                      co_await scope.CallTool(name, python ? "python" : "r", std::move(arguments)));
  const auto said = SaidBy(result);
  if (said.has_value()) co_return *said;
  if (JsonString(result.value, "status").empty()) {
    co_return Error(Reason::kPermissionDenied, fmt::format("the code was not checked: {}",
                                                           Elide(TextOf(result), kMaxCheckReason)));
  }
  co_return fmt::format("it cannot be parsed: {}", Elide(TextOf(result), kMaxCheckReason));
}

}  // namespace troupe
