// LiveTree: a task's spans as a tree, kept up to date by its events, to be drawn again and again on
// a terminal. Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "troupe/v1/span.pb.h"
#include "troupe/v1/task_service.pb.h"

namespace troupe::client {

class LiveTree {
 public:
  enum class Tone { kPlain, kRunning, kGood, kBad, kQuestion };
  struct Line {
    Tone tone = Tone::kPlain;
    std::string text;
  };

  // `task` is the name shown in the first line.
  explicit LiveTree(std::string task);

  void Take(const v1::WatchTaskResponse& event);

  // The task's state and totals, its tree, what it said last and the questions it waits with: at
  // most `height` lines (0: no limit) of `width` characters (0: no limit), as of `now_micros` since
  // 1970. Calls inside what ended are folded away; if that is not enough all of what ended is, and
  // at last the top of the tree goes.
  std::vector<Line> Draw(int64_t now_micros, int width, int height) const;

 private:
  struct Node {
    v1::Span span;
    std::vector<std::string> children;  // paths, in the order in which they began
  };
  // How much is folded away.
  enum class Fold { kCalls, kEnded };

  void TakeSpan(const v1::Span& span);
  v1::Usage UsageBelow(const Node& node) const;
  void AddLines(const std::string& path, Fold fold, int64_t now_micros,
                std::vector<Line>& lines) const;
  Line LineOf(const Node& node, int64_t now_micros) const;
  Line Header(int64_t now_micros) const;
  void AddQuestion(const std::string& name, const std::string& prompt, int width, int height,
                   std::vector<Line>& lines) const;

  const std::string task_;
  v1::Task::State state_ = v1::Task::STATE_UNSPECIFIED;
  std::map<std::string, Node> nodes_;             // by path; "" is the task itself
  std::map<std::string, std::string> questions_;  // those that wait: name to prompt
  std::set<std::string> approvals_;               // names of those that ask leave for a call
  std::string progress_;
};

}  // namespace troupe::client
