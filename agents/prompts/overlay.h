// Other texts for named prompts, below one scope: how a text that is no version yet is tried by the
// very agent that will use it.
//
//   Scope trial = task.Open("trial", "trial:1", "First challenger");
//   CO_RETURN_IF_ERROR(OverlayPrompts(trial, {{"solve.solver", challenger}}));
//   auto result = co_await solve.Run(trial, spec);   // solve.solver says what the challenger says
//
// What was rendered from such a text is known in the trace as "solve.solver@sha256:ab12cd34", and
// the scope's attribute "prompt_overlay" has the whole digests. Stateless functions.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <string>

#include "agents/runtime/scope.h"

namespace troupe {

// Attribute of a scope: prompt name to the SHA-256 of the text that stands in its place.
inline constexpr char kPromptOverlay[] = "prompt_overlay";

// Gives `scope`, and all that is opened below it from now on, `texts` (prompt name to template) in
// place of whatever version the task's spec or a promotion names; other prompts are as before, and
// an overlay of a scope further up holds where this one says nothing. `texts` must follow from the
// record (a reply, the spec), so that the task says the same in every run and in a fork of it.
// kNotFound without the prompt, kInvalidField if a text is no template of it; the scope is then as
// it was.
absl::Status OverlayPrompts(Scope& scope, const std::map<std::string, std::string>& texts);

}  // namespace troupe
