// The budget of a task: one ledger that all its branches share. What a call may cost is reserved
// before it is made and settled after, so that parallel branches together never overspend.
//
// Thread-confined: a ledger lives on its task's strand.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>

#include "agents/runtime/usage.h"

namespace troupe {

// Limits; 0 is unlimited.
struct Limits {
  int64_t model_calls = 0;
  int64_t tool_calls = 0;
  int64_t tokens = 0;  // input and output together
  int64_t cost_microusd = 0;
  absl::Duration model_time;  // waiting for models; of roles alone
};

struct BudgetLimits {
  Limits task;
  std::map<std::string, Limits> roles;  // of model calls, by role
};

// What a budget still allows; none: there is no limit.
struct BudgetLeft {
  std::optional<int64_t> model_calls;
  std::optional<int64_t> tool_calls;
  std::optional<int64_t> tokens;
  std::optional<int64_t> cost_microusd;
};

class Ledger {
 public:
  explicit Ledger(BudgetLimits limits) : limits_(std::move(limits)) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Holds back what one call may use until it is settled or dropped (dropping gives all back).
  class Reservation {
   public:
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation();
    // Replaces what was held back by what was used.
    void Settle(const Usage& used);

   private:
    friend class Ledger;
    Reservation(Ledger* ledger, std::string role, Usage held)
        : ledger_(ledger), role_(std::move(role)), held_(std::move(held)) {}
    Ledger* ledger_;
    std::string role_;
    Usage held_;
  };

  // kBudgetExceeded, naming the limit, if `worst_case` does not fit beside what is spent and held.
  // `role` is empty for a tool call. The ledger must outlive the reservation.
  absl::StatusOr<Reservation> Reserve(const std::string& role, const Usage& worst_case);
  // Notes a refusal that an earlier life recorded.
  void NoteRefusal(const absl::Status& refusal) { refusal_ = refusal; }

  // Books what an earlier life of the task used; never refused.
  void Charge(const std::string& role, const Usage& used);

  const Usage& spent() const { return spent_; }
  // What the calls of `role` have spent.
  Usage spent_by(const std::string& role) const;

  // What is neither spent nor held, of the task and of the role: the lesser of both.
  BudgetLeft Left(const std::string& role) const;

  // The last refusal; OK if nothing was refused.
  const absl::Status& refusal() const { return refusal_; }

 private:
  struct Account {
    Usage spent;
    Usage held;
  };
  static void Lower(const Limits& limits, const Account& account, BudgetLeft& left);
  absl::Status Check(const Limits& limits, const Account& account, const Usage& more,
                     std::string_view whose) const;

  const BudgetLimits limits_;
  Usage spent_;
  absl::Status refusal_;
  Account task_;
  std::map<std::string, Account> roles_;
};

}  // namespace troupe
