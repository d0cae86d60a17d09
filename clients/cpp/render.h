// Messages as text for people. Stateless functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "troupe/v1/span.pb.h"
#include "troupe/v1/task.pb.h"
#include "troupe/v1/trace_service.pb.h"

namespace troupe::client {

// "3 calls, 1,204 + 356 tokens, $0.0123"
std::string UsageText(const v1::Usage& usage);

// "SUCCEEDED"
std::string StateText(v1::Task::State state);

// The task with its plan, steps and scores, answer and artifacts.
std::string TaskText(const v1::Task& task);

// What a fork's span has of the task forked from: "(inherited)", or "" for one of its own.
std::string OriginText(const v1::Span& span);

// One line of a tree: mark, indentation by the path, title, what it cost, and its score or error.
std::string SpanLine(const v1::Span& span);

// The text without what could steer a terminal: models and tools write it. Lines and tabs stay.
std::string Printable(std::string_view text);

// Printable text on one line, cut to `width` characters with "..." at its end; 0: not cut.
std::string OneLine(std::string_view text, size_t width);

// Printable text as lines of at most `width` characters (0: as they are), broken where they are
// longer.
std::vector<std::string> Lines(std::string_view text, size_t width);

// The command that answers a question; of an approval, those that decide on the call.
std::string AnswerHint(const std::string& question, bool is_approval);

// "1.2 s", "350 ms", or "" while it runs.
std::string DurationText(const v1::Span& span);

}  // namespace troupe::client
