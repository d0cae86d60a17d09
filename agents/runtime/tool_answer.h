// What a tool's outcome is to the model that called it: the message that answers its call.
// Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "agents/models/message.h"
#include "agents/runtime/scope.h"
#include "tools/tool.h"

namespace troupe {

// The algorithms' own tool for asking a person.
inline constexpr char kAskUser[] = "ask_user";
ToolDeclaration AskUserDeclaration();
// Asks what a call of ask_user asks (the question's effect is "ask"); the words for the model.
Async<std::string> AskUser(Scope scope, Json arguments);

// Whether a failed call is told to the model, which may mend it, and does not end the task.
bool IsForTheModel(const Scope& scope, const absl::Status& status);

// All that a result shows as text; its value where it shows nothing.
std::string TextOf(const ToolResult& result);

// The answer to the call `id`.
Message ToolMessage(const std::string& id, std::string text);

}  // namespace troupe
