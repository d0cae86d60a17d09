// Cancellation with a reason. A CancelSource is the right to cancel; the CancelTokens made from it
// are handed to everything that waits. Tokens form a tree: a child source made from a token is
// cancelled with its parent, and can be cancelled alone.
//
//   CancelSource source;
//   auto registration = source.token().OnCancel([&] { socket.close(); });
//   source.Cancel(CancelReason::kUser, "asked to stop");
//
// Thread-safe. Copying a token is cheap.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <string>

namespace troupe {

enum class CancelReason { kUser, kDeadline, kBudget, kShutdown, kAbandoned, kStoreFailed, kRest };

std::string_view CancelReasonName(CancelReason reason);

namespace internal {
struct CancelState;
}

// Keeps a callback registered while it lives. Destroying it waits for a callback that is running
// on another thread, so that what the callback refers to may be destroyed right after.
class CancelRegistration {
 public:
  CancelRegistration() = default;
  CancelRegistration(CancelRegistration&& other) noexcept;
  CancelRegistration& operator=(CancelRegistration&& other) noexcept;
  ~CancelRegistration();

 private:
  friend class CancelToken;
  CancelRegistration(std::shared_ptr<internal::CancelState> state, uint64_t id);
  void Release();

  std::shared_ptr<internal::CancelState> state_;
  uint64_t id_ = 0;
};

class CancelToken {
 public:
  // A token that is never cancelled.
  CancelToken() = default;

  bool cancelled() const;

  // OkStatus while not cancelled; then CANCELLED, or DEADLINE_EXCEEDED for kDeadline, with the
  // reason in the error's metadata (see error.h).
  absl::Status status() const;

  // Calls `callback` once, on the cancelling thread, or at once if already cancelled.
  // The callback must not block and must not destroy its own registration.
  [[nodiscard]] CancelRegistration OnCancel(std::function<void()> callback) const;

 private:
  friend class CancelSource;
  explicit CancelToken(std::shared_ptr<internal::CancelState> state) : state_(std::move(state)) {}
  std::shared_ptr<internal::CancelState> state_;
};

class CancelSource {
 public:
  CancelSource();
  // A source that is also cancelled, with the same reason, when `parent` is.
  explicit CancelSource(const CancelToken& parent);
  CancelSource(CancelSource&&) noexcept = default;
  CancelSource& operator=(CancelSource&&) noexcept = default;

  // The first call wins; later ones change nothing.
  void Cancel(CancelReason reason, std::string message);
  CancelToken token() const { return CancelToken(state_); }

 private:
  std::shared_ptr<internal::CancelState> state_;
  std::shared_ptr<CancelRegistration> parent_;
};

}  // namespace troupe
