#include "agents/runtime/budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

Usage Negated(const Usage& usage) {
  Usage negated;
  negated.model_calls = -usage.model_calls;
  negated.tool_calls = -usage.tool_calls;
  negated.input_tokens = -usage.input_tokens;
  negated.output_tokens = -usage.output_tokens;
  negated.cost_microusd = -usage.cost_microusd;
  return negated;
}

struct Line {
  std::string_view name;
  int64_t limit;
  int64_t spent;
  int64_t held;
  int64_t more;
};

}  // namespace

Ledger::Reservation::Reservation(Reservation&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)),
      role_(std::move(other.role_)),
      held_(other.held_) {}

Ledger::Reservation::~Reservation() {
  if (ledger_ == nullptr) return;
  ledger_->task_.held += Negated(held_);
  ledger_->roles_[role_].held += Negated(held_);
}

void Ledger::Reservation::Settle(const Usage& used) {
  if (ledger_ == nullptr) return;
  ledger_->Charge(role_, used);
  ledger_->task_.held += Negated(held_);
  ledger_->roles_[role_].held += Negated(held_);
  ledger_ = nullptr;
}

absl::Status Ledger::Check(const Limits& limits, const Account& account, const Usage& more,
                           std::string_view whose) const {
  const Line lines[] = {
      {"model_calls", limits.model_calls, account.spent.model_calls, account.held.model_calls,
       more.model_calls},
      {"tool_calls", limits.tool_calls, account.spent.tool_calls, account.held.tool_calls,
       more.tool_calls},
      {"tokens", limits.tokens, account.spent.tokens(), account.held.tokens(), more.tokens()},
      {"cost_microusd", limits.cost_microusd, account.spent.cost_microusd,
       account.held.cost_microusd, more.cost_microusd},
  };
  for (const Line& line : lines) {
    if (line.limit <= 0 || line.more <= 0) continue;
    if (line.spent + line.held + line.more <= line.limit) continue;
    return Error(
        Reason::kBudgetExceeded,
        fmt::format("the budget of {} is used up: {} allows {}, {} are spent, {} are held by calls "
                    "under way and the next call may need {}; raise the budget to go further",
                    whose, line.name, line.limit, line.spent, line.held, line.more),
        {{"limit", std::string(line.name)},
         {"of", std::string(whose)},
         {"value", std::to_string(line.limit)}});
  }
  // How long a call will take is not known before: one that begins in time may end beyond it.
  if (limits.model_time > absl::ZeroDuration() && account.spent.model_time >= limits.model_time) {
    return Error(Reason::kBudgetExceeded,
                 fmt::format("the budget of {} is used up: model_time allows {}, {} are spent; "
                             "raise the budget to go further",
                             whose, absl::FormatDuration(limits.model_time),
                             absl::FormatDuration(account.spent.model_time)),
                 {{"limit", "model_time"},
                  {"of", std::string(whose)},
                  {"value", absl::FormatDuration(limits.model_time)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<Ledger::Reservation> Ledger::Reserve(const std::string& role,
                                                    const Usage& worst_case) {
  absl::Status fits = Check(limits_.task, task_, worst_case, "the task");
  const auto limited = limits_.roles.find(role);
  if (fits.ok() && limited != limits_.roles.end()) {
    fits = Check(limited->second, roles_[role], worst_case, fmt::format("the role {}", role));
  }
  if (!fits.ok()) {
    refusal_ = fits;
    return fits;
  }
  task_.held += worst_case;
  roles_[role].held += worst_case;
  return Reservation(this, role, worst_case);
}

void Ledger::Lower(const Limits& limits, const Account& account, BudgetLeft& left) {
  const auto lower = [](int64_t limit, int64_t spent, int64_t held, std::optional<int64_t>& least) {
    if (limit <= 0) return;
    const int64_t rest = std::max<int64_t>(0, limit - spent - held);
    least = std::min(rest, least.value_or(rest));
  };
  lower(limits.model_calls, account.spent.model_calls, account.held.model_calls, left.model_calls);
  lower(limits.tool_calls, account.spent.tool_calls, account.held.tool_calls, left.tool_calls);
  lower(limits.tokens, account.spent.tokens(), account.held.tokens(), left.tokens);
  lower(limits.cost_microusd, account.spent.cost_microusd, account.held.cost_microusd,
        left.cost_microusd);
}

BudgetLeft Ledger::Left(const std::string& role) const {
  BudgetLeft left;
  Lower(limits_.task, task_, left);
  const auto limited = limits_.roles.find(role);
  const auto account = roles_.find(role);
  if (limited != limits_.roles.end()) {
    Lower(limited->second, account == roles_.end() ? Account() : account->second, left);
  }
  return left;
}

Usage Ledger::spent_by(const std::string& role) const {
  const auto account = roles_.find(role);
  return account == roles_.end() ? Usage() : account->second.spent;
}

void Ledger::Charge(const std::string& role, const Usage& used) {
  spent_ += used;
  task_.spent += used;
  roles_[role].spent += used;
}

}  // namespace troupe
