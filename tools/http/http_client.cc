#include "tools/http/http_client.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/ascii.h>
#include <absl/strings/cord.h>
#include <absl/strings/match.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <optional>
#include <thread>
#include <unordered_map>

#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/steady_time.h"
#include "tools/base/suspend.h"
#include "tools/http/curl_handle.h"
#include "tools/http/curl_sockets.h"
#include "tools/http/http_failure.h"

namespace troupe {
namespace {

// How often the time-outs that curl does not know are looked at.
constexpr absl::Duration kTick = absl::Milliseconds(200);
// Transfers that share one multi handle, and so the most connections that it keeps. curl looks for
// a free connection to a host among all that the handle has to it, one by one: with thousands of
// transfers under way that took more time than all else.
constexpr size_t kTransfersOfAMulti = 96;
constexpr size_t kMaxHeaders = 200;  // of a reply; what is more is left out
constexpr size_t kUsualHeaders = 12;
constexpr size_t kMaxIdleHandles = 1024;
constexpr size_t kMaxEvents = 64;               // that one thread takes at once
constexpr char kNotSent[] = "troupe.not_sent";  // a payload of the failure of a request

// One multi handle of curl, of several that one thread drives.
struct Multi {
  CurlSockets* sockets = nullptr;
  CURLM* multi = curl_multi_init();
  uint32_t number = 0;
  size_t handles = 0;                         // that belong to it, idle ones too
  absl::Time timer = absl::InfiniteFuture();  // when curl wants to be called
  bool touched = false;
};

struct Handle {
  Multi* multi = nullptr;  // always the same: it keeps the connections that the handle used
  CurlHandle curl;
};

struct Transfer {
  uint64_t id = 0;
  HttpRequest request;
  HttpResponse response;
  Done<HttpResponse> done;
  std::unique_ptr<Handle> handle;
  absl::Time started;
  absl::Time last_byte = absl::InfinitePast();  // of the body
  absl::Status stopped;                         // why we stopped it ourselves
  int64_t body_bytes = 0;
  char error_text[CURL_ERROR_SIZE] = {};
};

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  const absl::string_view line(data, size);
  auto& headers = transfer->response.headers;
  if (absl::StartsWith(line, "HTTP/")) headers.clear();  // of a redirect before
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos && headers.size() < kMaxHeaders) {
    if (headers.empty()) headers.reserve(kUsualHeaders);
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    headers.emplace_back(line.substr(0, colon), value);
    absl::AsciiStrToLower(&headers.back().first);
  }
  const bool last = absl::StripAsciiWhitespace(line).empty();
  if (last && transfer->request.on_headers) {
    long status = 0;
    curl_easy_getinfo(transfer->handle->curl.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer->response.status = static_cast<int>(status);
    if (status == 200) transfer->request.on_headers(transfer->response);
  }
  return size;
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->last_byte = SteadyNow();
  transfer->body_bytes += static_cast<int64_t>(size);
  if (transfer->body_bytes > transfer->request.max_response_bytes) {
    transfer->stopped = absl::ResourceExhaustedError(
        fmt::format("the response is larger than {} bytes", transfer->request.max_response_bytes));
    return 0;
  }
  long status = 0;
  curl_easy_getinfo(transfer->handle->curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 200 && transfer->request.on_data) {
    if (transfer->request.on_data(std::string_view(data, size))) return size;
    transfer->stopped = absl::OutOfRangeError("the reader has enough");
    return 0;
  }
  transfer->response.body.append(data, size);
  return size;
}

absl::Status StatusOf(const Transfer& transfer, CURLcode code) {
  if (!transfer.stopped.ok()) return transfer.stopped;
  if (code == CURLE_OK) return absl::OkStatus();
  const std::string detail =
      transfer.error_text[0] != '\0' ? transfer.error_text : curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) return absl::DeadlineExceededError(detail);
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return absl::InvalidArgumentError(detail);
  }
  absl::Status failure = absl::UnavailableError(detail);
  long sent = 0;
  curl_easy_getinfo(transfer.handle->curl.get(), CURLINFO_REQUEST_SIZE, &sent);
  if (sent == 0) failure.SetPayload(kNotSent, absl::Cord("true"));
  return failure;
}

}  // namespace

bool WasNotSent(const absl::Status& failure) { return failure.GetPayload(kNotSent).has_value(); }

std::string_view HttpResponse::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return "";
}

// Tells curl by epoll which sockets are ready: the cost of a step does not grow with the number of
// transfers that wait. Whoever finds something to do for curl does it, if nobody else is at it: the
// thread that asks for a transfer starts it, and the one of the executor that learns of a reply
// reads it, and goes on with what waited for it. No thread need be woken for another.
class HttpClient::Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(const asio::any_io_executor& executor)
      : share_(curl_share_init()), epoll_(epoll_create1(EPOLL_CLOEXEC)), watched_(epoll_) {
    // One thread at a time uses what is shared: it needs no locks.
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    sockets_.emplace(executor, epoll_);
    timer_.emplace(executor);
  }
  ~Loop() { curl_share_cleanup(share_); }

  void Begin() {
    MutexLock lock(&curl_mutex_);
    AwaitSockets();
  }

  // Ends what is under way. The executor is not used after.
  void Stop() {
    const absl::Status closing = Error(Reason::kShuttingDown, "the server is closing");
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
    }
    MutexLock curl_lock(&curl_mutex_);
    user_ = std::this_thread::get_id();
    TakeIncoming();
    while (!active_.empty()) Finish(active_.begin()->first, closing);
    idle_handles_.clear();
    for (const auto& multi : multis_) curl_multi_cleanup(multi->multi);
    multis_.clear();
    touched_.clear();
    sockets_.reset();
    timer_.reset();
    user_ = std::thread::id();
  }

  uint64_t Start(std::unique_ptr<Transfer> transfer) {
    const uint64_t id = next_id_++;
    transfer->id = id;
    const Done<HttpResponse> done = transfer->done;
    bool accepted = false;
    {
      // Under the lock, as Stop takes what is left under it.
      MutexLock lock(&mutex_);
      accepted = !stopping_;
      if (accepted) incoming_.push_back(std::move(transfer));
    }
    if (!accepted) {
      done(Error(Reason::kShuttingDown, "the server is closing"));
    } else {
      Perform();
    }
    return id;
  }

  void Cancel(uint64_t id, absl::Status why) {
    {
      MutexLock lock(&mutex_);
      cancelled_.emplace_back(id, std::move(why));
    }
    Perform();
  }

 private:
  // Does what there is to do, or leaves it to the thread that is at it.
  void Perform() {
    wanted_ = true;
    // What curl calls may send a request of its own, which waits until curl is done.
    if (user_.load() == std::this_thread::get_id()) return;
    // Who finds the lock taken is sure that its holder looks again after releasing it.
    while (wanted_ && curl_mutex_.TryLock()) {
      wanted_ = false;
      user_ = std::this_thread::get_id();
      if (sockets_.has_value()) Work();
      user_ = std::thread::id();
      curl_mutex_.Unlock();
    }
  }

  void Work() {
    const bool ready = ready_.exchange(false);
    const bool due = due_.exchange(false);
    if (ready) TakeReady();
    TakeIncoming();
    if (due) {
      timer_at_ = absl::InfiniteFuture();
      for (const auto& multi : multis_) Touch(*multi);
    }
    const absl::Time now = SteadyNow();
    for (Multi* multi : touched_) PerformTimer(*multi, now);
    for (Multi* multi : touched_) FinishCompletedOf(multi->multi);
    if (due) CheckTimeouts(now);
    SetTimer(now);
    for (Multi* multi : touched_) multi->touched = false;
    touched_.clear();
    if (ready) AwaitSockets();
  }

  void Touch(Multi& multi) {
    if (!std::exchange(multi.touched, true)) touched_.push_back(&multi);
  }

  void AwaitSockets() {
    sockets_->async_wait(asio::posix::descriptor_base::wait_read,
                         [self = shared_from_this()](asio::error_code error) {
                           if (error) return;
                           self->ready_ = true;
                           self->Perform();
                         });
  }

  // Sees to it that the timers of what was touched are looked at, and time-outs while there are
  // transfers.
  void SetTimer(absl::Time now) {
    absl::Time wanted = active_.empty() ? absl::InfiniteFuture() : now + kTick;
    for (const Multi* multi : touched_) wanted = std::min(wanted, multi->timer);
    if (wanted >= timer_at_) return;
    timer_at_ = wanted;
    timer_->expires_after(absl::ToChronoNanoseconds(std::max(wanted - now, absl::ZeroDuration())));
    timer_->async_wait([self = shared_from_this()](asio::error_code error) {
      if (error) return;  // set anew, or stopped
      self->due_ = true;
      self->Perform();
    });
  }

  static int OnSocket(CURL*, curl_socket_t socket, int what, void* user, void*) {
    const auto* multi = static_cast<Multi*>(user);
    uint32_t events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
    multi->sockets->Want(socket, events, multi->number);
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_milliseconds, void* user) {
    static_cast<Multi*>(user)->timer = timeout_milliseconds < 0
                                           ? absl::InfiniteFuture()
                                           : SteadyNow() + absl::Milliseconds(timeout_milliseconds);
    return 0;
  }

  // Lets curl do what there is to do for sockets. One may have been closed since, or be another
  // transfer's: curl finds nothing to read then.
  void TakeReady() {
    std::array<epoll_event, kMaxEvents> events;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    int running = 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const auto socket = static_cast<curl_socket_t>(event.data.u64 & 0xFFFFFFFF);
      if (!watched_.IsWanted(socket)) continue;
      int ready = 0;
      if ((event.events & EPOLLIN) != 0) ready |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) ready |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) ready |= CURL_CSELECT_ERR;
      Multi& multi = *multis_[event.data.u64 >> 32];
      curl_multi_socket_action(multi.multi, socket, ready, &running);
      Touch(multi);
    }
  }

  static void PerformTimer(Multi& multi, absl::Time now) {
    if (now < multi.timer) return;
    multi.timer = absl::InfiniteFuture();
    int running = 0;
    curl_multi_socket_action(multi.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }

  void TakeIncoming() {
    std::vector<std::pair<uint64_t, absl::Status>> cancelled;
    {
      MutexLock lock(&mutex_);
      taken_in_.swap(incoming_);
      cancelled.swap(cancelled_);
    }
    for (auto& transfer : taken_in_) Add(std::move(transfer));
    taken_in_.clear();  // its room is used again
    for (auto& [id, why] : cancelled) Finish(id, why);
  }

  void Add(std::unique_ptr<Transfer> transfer) {
    if (idle_handles_.empty()) {
      transfer->handle = std::make_unique<Handle>();
      transfer->handle->multi = MultiWithRoom();
      ++transfer->handle->multi->handles;
    } else {
      transfer->handle = std::move(idle_handles_.back());
      idle_handles_.pop_back();
    }
    Prepare(*transfer);
    const uint64_t id = transfer->id;
    const Handle& handle = *transfer->handle;
    active_[id] = std::move(transfer);
    Touch(*handle.multi);
    curl_multi_add_handle(handle.multi->multi, handle.curl.get());
  }

  // The first, so that few transfers share their connections.
  Multi* MultiWithRoom() {
    for (const auto& multi : multis_) {
      if (multi->handles < kTransfersOfAMulti) return multi.get();
    }
    auto multi = std::make_unique<Multi>();
    multi->sockets = &watched_;
    multi->number = static_cast<uint32_t>(multis_.size());
    curl_multi_setopt(multi->multi, CURLMOPT_MAXCONNECTS, static_cast<long>(kTransfersOfAMulti));
    curl_multi_setopt(multi->multi, CURLMOPT_SOCKETFUNCTION, OnSocket);
    curl_multi_setopt(multi->multi, CURLMOPT_SOCKETDATA, multi.get());
    curl_multi_setopt(multi->multi, CURLMOPT_TIMERFUNCTION, OnTimer);
    curl_multi_setopt(multi->multi, CURLMOPT_TIMERDATA, multi.get());
    multis_.push_back(std::move(multi));
    return multis_.back().get();
  }

  void Prepare(Transfer& transfer) {
    const HttpRequest& request = transfer.request;
    transfer.started = SteadyNow();
    transfer.handle->curl.SetUp(request, {share_, &watched_, OnHeader, OnBody});
    CURL* easy = transfer.handle->curl.get();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    if (IsPost(request)) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.view().data());
    }
  }

  void FinishCompletedOf(CURLM* multi) {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      const absl::Status status = StatusOf(*transfer, message->data.result);
      long code = 0;
      curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &code);
      transfer->response.status = static_cast<int>(code);
      Finish(transfer->id, status);
    }
  }

  void CheckTimeouts(absl::Time now) {
    std::vector<std::pair<uint64_t, absl::Status>> late;
    for (const auto& [id, transfer] : active_) {
      const HttpTimeouts& timeouts = transfer->request.timeouts;
      if (transfer->last_byte == absl::InfinitePast()) {
        if (now - transfer->started > timeouts.first_byte) {
          late.emplace_back(id, absl::DeadlineExceededError(
                                    fmt::format("no byte of a reply within {} s",
                                                absl::ToInt64Seconds(timeouts.first_byte))));
        }
      } else if (now - transfer->last_byte > timeouts.idle) {
        late.emplace_back(
            id, absl::DeadlineExceededError(fmt::format("the reply stalled for {} s",
                                                        absl::ToInt64Seconds(timeouts.idle))));
      }
    }
    for (const auto& [id, why] : late) Finish(id, why);
  }

  void Finish(uint64_t id, const absl::Status& status) {
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    std::unique_ptr<Transfer> transfer = std::move(found->second);
    active_.erase(found);
    Multi& multi = *transfer->handle->multi;
    Touch(multi);
    CURL* easy = transfer->handle->curl.get();
    curl_multi_remove_handle(multi.multi, easy);
    if (idle_handles_.size() < kMaxIdleHandles) {
      // It must not refer to the transfer any longer.
      curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);
      if (IsPost(transfer->request)) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, nullptr);
      idle_handles_.push_back(std::move(transfer->handle));
    } else {
      --multi.handles;
    }
    if (status.ok()) {
      transfer->done(std::move(transfer->response));
    } else {
      transfer->done(status);
    }
  }

  CURLSH* share_;    // what all multi handles know of hosts
  const int epoll_;  // of sockets_
  std::atomic<uint64_t> next_id_ = 1;
  std::atomic<bool> wanted_ = false;  // there is something to do
  std::atomic<bool> ready_ = false;   // sockets are ready
  std::atomic<bool> due_ = false;     // the timer has expired
  // Of whoever uses curl: all of what follows, and curl's own.
  Mutex curl_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::unordered_map<uint64_t, std::unique_ptr<Transfer>> active_;
  std::vector<std::unique_ptr<Handle>> idle_handles_;
  std::vector<std::unique_ptr<Multi>> multis_;
  CurlSockets watched_;
  std::vector<std::unique_ptr<Transfer>> taken_in_;  // on their way from incoming_
  std::vector<Multi*> touched_;  // whose timers and transfers are to be looked at
  std::optional<asio::posix::stream_descriptor> sockets_;  // none: stopped
  std::optional<asio::steady_timer> timer_;
  absl::Time timer_at_ = absl::InfiniteFuture();  // when it expires
  std::atomic<std::thread::id> user_;             // who holds curl_mutex_
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Transfer>> incoming_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<uint64_t, absl::Status>> cancelled_ ABSL_GUARDED_BY(mutex_);
};

HttpClient::HttpClient() : thread_(std::make_unique<asio::thread_pool>(1)) {
  loop_ = std::make_shared<Loop>(thread_->get_executor());
  loop_->Begin();
}

HttpClient::~HttpClient() { Stop(); }

void HttpClient::RunOn(const asio::any_io_executor& executor) {
  Stop();
  loop_ = std::make_shared<Loop>(executor);
  loop_->Begin();
}

void HttpClient::Stop() {
  loop_->Stop();
  if (thread_ != nullptr) thread_->join();
  thread_.reset();
}

Async<HttpResponse> HttpClient::Send(HttpRequest request, CancelToken cancel) {
  auto loop = loop_;
  CancelRegistration registration;
  co_return co_await Suspend<HttpResponse>([&](Done<HttpResponse> done) {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    const uint64_t id = loop->Start(std::move(transfer));
    registration = cancel.OnCancel([loop, id, cancel] { loop->Cancel(id, cancel.status()); });
  });
}

}  // namespace troupe
