// Branches that run side by side on the task's strand, in the two ways that keep a replay
// deterministic: All (results in order) and CompletionStream (in the order of completion, which is
// itself recorded).
//
//   std::vector<NamedBranch<Trial>> branches;
//   for (int k = 1; k <= 3; ++k) {
//     branches.push_back({"trial", fmt::format("trial:{}", k), "", [=](Scope scope) {
//       return RunTrial(std::move(scope), k);
//     }});
//   }
//   std::vector<absl::StatusOr<Trial>> trials = co_await All(step, std::move(branches));
// ForEachBranch is for work that is too long to be listed: branches are made one by one.
//
// Each branch gets a child scope of its own and must end it. Branches are never abandoned: All
// waits for every one, and a CompletionStream keeps running those whose results were not taken.
#pragma once

#include <fmt/format.h>

#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/runtime/scope.h"
#include "tools/base/error.h"
#include "tools/base/status_macros.h"
#include "tools/base/suspend.h"

namespace troupe {

template <typename T>
struct NamedBranch {
  std::string type;
  std::string name;  // of the child span
  std::string title;
  std::function<Async<T>(Scope)> run;
};

namespace internal {

// Runs branches, at most `limit` at a time, and keeps their results.
template <typename T>
class BranchGroup : public std::enable_shared_from_this<BranchGroup<T>> {
 public:
  BranchGroup(std::vector<NamedBranch<T>> branches, size_t limit)
      : branches_(std::move(branches)),
        results_(branches_.size()),
        limit_(limit == 0 ? branches_.size() : limit) {}

  void Start(const Scope& parent, const asio::any_io_executor& strand) {
    for (NamedBranch<T>& branch : branches_) {
      scopes_.push_back(parent.Open(branch.type, branch.name, branch.title));
    }
    strand_ = strand;
    while (running_ < limit_ && next_ < branches_.size()) StartNext();
  }

  size_t size() const { return branches_.size(); }
  const std::string& name(size_t index) const { return branches_[index].name; }
  bool finished(size_t index) const { return results_[index].has_value(); }
  absl::StatusOr<T> Take(size_t index) { return *std::move(results_[index]); }
  const std::deque<size_t>& completed() const { return completed_; }

  // Suspends until one more branch has completed.
  AsyncStatus WaitForCompletion() {
    auto self = this->shared_from_this();
    auto woken = co_await Suspend<bool>([this](Done<bool> done) { waiter_ = std::move(done); });
    co_return woken.status();
  }

 private:
  void StartNext() {
    const size_t index = next_++;
    ++running_;
    asio::co_spawn(strand_, branches_[index].run(std::move(scopes_[index])),
                   [self = this->shared_from_this(), index](std::exception_ptr raised,
                                                            absl::StatusOr<T> result) {
                     if (raised != nullptr) {
                       result = Error(Reason::kInternal, "a branch threw an exception");
                     }
                     self->Complete(index, std::move(result));
                   });
  }

  void Complete(size_t index, absl::StatusOr<T> result) {
    results_[index] = std::move(result);
    completed_.push_back(index);
    --running_;
    if (next_ < branches_.size()) StartNext();
    if (waiter_) std::exchange(waiter_, nullptr)(true);
  }

  std::vector<NamedBranch<T>> branches_;
  std::vector<Scope> scopes_;
  std::vector<std::optional<absl::StatusOr<T>>> results_;
  std::deque<size_t> completed_;
  asio::any_io_executor strand_;
  size_t limit_;
  size_t running_ = 0;
  size_t next_ = 0;
  Done<bool> waiter_;
};

}  // namespace internal

// Runs all branches, at most `max_parallel` at a time (0: all), and returns their results in order.
template <typename T>
asio::awaitable<std::vector<absl::StatusOr<T>>> All(const Scope& parent,
                                                    std::vector<NamedBranch<T>> branches,
                                                    size_t max_parallel = 0) {
  auto group = std::make_shared<internal::BranchGroup<T>>(std::move(branches), max_parallel);
  group->Start(parent, co_await asio::this_coro::executor);
  while (group->completed().size() < group->size()) {
    const absl::Status woken = co_await group->WaitForCompletion();
    woken.IgnoreError();
  }
  std::vector<absl::StatusOr<T>> results;
  for (size_t i = 0; i < group->size(); ++i) results.push_back(group->Take(i));
  co_return results;
}

// Runs all branches and yields their results in order of completion. `name` is unique in `parent`,
// which must outlive the stream.
template <typename T>
class CompletionStream {
 public:
  struct Item {
    size_t index;
    absl::StatusOr<T> result;
  };

  // Starts the branches. Call on the task's strand.
  static asio::awaitable<CompletionStream> Start(const Scope* parent, std::string name,
                                                 std::vector<NamedBranch<T>> branches,
                                                 size_t max_parallel = 0) {
    auto group = std::make_shared<internal::BranchGroup<T>>(std::move(branches), max_parallel);
    group->Start(*parent, co_await asio::this_coro::executor);
    co_return CompletionStream(parent, std::move(name), std::move(group));
  }

  bool done() const { return taken_ == group_->size(); }

  // The next branch to complete; kDivergence if the record names one that does not exist.
  Async<Item> Next() {
    const std::string effect = fmt::format("{}.next:{}", name_, taken_ + 1);
    CO_ASSIGN_OR_RETURN(const Json recorded,
                        parent_->RecallValue(effect, SpanKind::kCompletionOrder));
    size_t index = 0;
    if (recorded.is_number_unsigned()) {
      index = recorded.template get<size_t>();
      if (index >= group_->size()) {
        co_return Error(Reason::kDivergence,
                        fmt::format("'{}' names a branch that is not there", effect));
      }
      while (!group_->finished(index)) CO_RETURN_IF_ERROR(co_await group_->WaitForCompletion());
    } else {
      while (!FirstUntaken().has_value()) CO_RETURN_IF_ERROR(co_await group_->WaitForCompletion());
      index = *FirstUntaken();
      CO_RETURN_IF_ERROR(co_await parent_->RecordValue(effect, SpanKind::kCompletionOrder, index));
    }
    taken_flags_[index] = true;
    ++taken_;
    co_return Item{index, group_->Take(index)};
  }

 private:
  CompletionStream(const Scope* parent, std::string name,
                   std::shared_ptr<internal::BranchGroup<T>> group)
      : parent_(parent),
        name_(std::move(name)),
        group_(std::move(group)),
        taken_flags_(group_->size(), false) {}

  std::optional<size_t> FirstUntaken() const {
    for (size_t index : group_->completed()) {
      if (!taken_flags_[index]) return index;
    }
    return std::nullopt;
  }

  const Scope* parent_;
  std::string name_;
  std::shared_ptr<internal::BranchGroup<T>> group_;
  std::vector<bool> taken_flags_;
  size_t taken_ = 0;
};

namespace internal {

struct BranchFeed {
  size_t running = 0;
  absl::Status failure;
  Done<bool> waiter;

  // Suspends until one more branch has completed.
  static AsyncStatus WaitForCompletion(std::shared_ptr<BranchFeed> feed) {
    auto woken = co_await Suspend<bool>([&](Done<bool> done) { feed->waiter = std::move(done); });
    co_return woken.status();
  }
};

}  // namespace internal

// Runs the branches that `next` gives one after another until it gives none, at most `max_parallel`
// (at least 1) at a time; the scope of one is opened when its turn comes. `take` is told each
// result, in the order of completion, which is another in every run: nothing but the end may depend
// on it. When `next` or `take` fails no more begin. Ends when all have ended that began, with the
// first failure. `parent` must outlive it.
template <typename T>
AsyncStatus ForEachBranch(const Scope& parent,
                          std::function<Async<std::optional<NamedBranch<T>>>()> next,
                          std::function<absl::Status(absl::StatusOr<T>)> take,
                          size_t max_parallel) {
  const asio::any_io_executor strand = co_await asio::this_coro::executor;
  auto feed = std::make_shared<internal::BranchFeed>();
  while (feed->failure.ok()) {
    if (feed->running >= max_parallel) {
      CO_RETURN_IF_ERROR(co_await internal::BranchFeed::WaitForCompletion(feed));
      continue;
    }
    auto made = co_await next();
    if (!made.ok() && feed->failure.ok()) feed->failure = made.status();
    if (!feed->failure.ok() || !made->has_value()) break;
    auto branch = std::make_shared<NamedBranch<T>>(**std::move(made));
    ++feed->running;
    asio::co_spawn(strand, branch->run(parent.Open(branch->type, branch->name, branch->title)),
                   [feed, branch, take](std::exception_ptr raised, absl::StatusOr<T> result) {
                     if (raised != nullptr) {
                       result = Error(Reason::kInternal, "a branch threw an exception");
                     }
                     const absl::Status taken = take(std::move(result));
                     if (feed->failure.ok()) feed->failure = taken;
                     --feed->running;
                     if (feed->waiter) std::exchange(feed->waiter, nullptr)(true);
                   });
  }
  while (feed->running > 0) {
    CO_RETURN_IF_ERROR(co_await internal::BranchFeed::WaitForCompletion(feed));
  }
  co_return feed->failure;
}

}  // namespace troupe
