#include "tools/http/http_client.h"

#include <absl/base/thread_annotations.h>
#include <absl/strings/ascii.h>
#include <absl/strings/cord.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <unordered_map>

#include "tools/base/error.h"
#include "tools/base/mutex.h"
#include "tools/base/steady_time.h"
#include "tools/base/suspend.h"
#include "tools/http/http_failure.h"

namespace troupe {
namespace {

// How often the time-outs that curl does not know are looked at.
constexpr int kTickMilliseconds = 200;
// Transfers that share one multi handle, and so the most connections that it keeps. curl looks for
// a free connection to a host among all that the handle has to it, one by one: with thousands of
// transfers under way that took more time than all else.
constexpr size_t kTransfersOfAMulti = 128;
constexpr size_t kMaxIdleHandles = 1024;
// How long after the last transfer the time-outs are still looked at.
constexpr absl::Duration kStaysAwake = absl::Seconds(2);
constexpr size_t kMaxEvents = 256;
constexpr char kNotSent[] = "troupe.not_sent";  // a payload of the failure of a request

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What requests of one kind have in common, by which a handle is set up.
struct Setup {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> resolve;
  absl::Duration connect_timeout;
  absl::Duration total_timeout;
  bool is_post = false;
  bool follow_redirects = false;
  bool direct = false;
  bool operator==(const Setup&) const = default;
};

bool IsPost(const HttpRequest& request) {
  return request.method == "POST" || !request.body.empty();
}

Setup SetupOf(const HttpRequest& request) {
  return {request.method,
          request.url,
          request.headers,
          request.resolve,
          request.timeouts.connect,
          request.timeouts.total,
          IsPost(request),
          request.follow_redirects,
          request.direct};
}

// One multi handle of curl, of several that one thread drives.
struct Multi {
  int epoll = -1;
  CURLM* multi = curl_multi_init();
  uint32_t number = 0;
  size_t handles = 0;                         // that belong to it, idle ones too
  absl::Time timer = absl::InfiniteFuture();  // when curl wants to be called
};

// A handle of curl, with the lists that it refers to. Kept between transfers as it was set up: most
// requests are like the one before.
struct Handle {
  Multi* multi = nullptr;  // always the same: it keeps the connections that the handle used
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::unique_ptr<curl_slist, ListDeleter> resolve;
  Setup setup;
  std::unique_ptr<CURL, EasyDeleter> easy{curl_easy_init()};  // goes before the lists
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
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) transfer->response.headers.clear();  // of a redirect before
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos && transfer->response.headers.size() < 200) {
    std::string name = absl::AsciiStrToLower(std::string(line.substr(0, colon)));
    std::string value(absl::StripAsciiWhitespace(std::string(line.substr(colon + 1))));
    transfer->response.headers.emplace_back(std::move(name), std::move(value));
  }
  const bool last = absl::StripAsciiWhitespace(std::string(line)).empty();
  if (last && transfer->request.on_headers) {
    long status = 0;
    curl_easy_getinfo(transfer->handle->easy.get(), CURLINFO_RESPONSE_CODE, &status);
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
  curl_easy_getinfo(transfer->handle->easy.get(), CURLINFO_RESPONSE_CODE, &status);
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
  curl_easy_getinfo(transfer.handle->easy.get(), CURLINFO_REQUEST_SIZE, &sent);
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
// transfers that wait. A thread of its own waits for them; a transfer is started by whoever asks
// for it, unless curl is in use just then, so that no thread need be woken for it.
class HttpClient::Loop {
 public:
  Loop()
      : share_(curl_share_init()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    // One thread at a time uses what is shared: it needs no locks.
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kWakeUp;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    stopping_ = true;
    Wake();
    thread_.join();
    MutexLock lock(&curl_mutex_);
    idle_handles_.clear();
    for (const auto& multi : multis_) curl_multi_cleanup(multi->multi);
    curl_share_cleanup(share_);
    close(wake_);
    close(epoll_);
  }

  uint64_t Start(std::unique_ptr<Transfer> transfer) {
    const uint64_t id = next_id_++;
    transfer->id = id;
    const Done<HttpResponse> done = transfer->done;
    bool accepted = false;
    {
      // Under the lock, as the loop takes what is left under it when it ends.
      MutexLock lock(&mutex_);
      accepted = !stopping_;
      if (accepted) incoming_.push_back(std::move(transfer));
    }
    if (!accepted) done(Error(Reason::kShuttingDown, "the server is closing"));
    if (!accepted || !StartHere()) Wake();
    return id;
  }

  void Cancel(uint64_t id, absl::Status why) {
    {
      MutexLock lock(&mutex_);
      cancelled_.emplace_back(id, std::move(why));
    }
    Wake();
  }

 private:
  // Starts what is incoming on the calling thread; false if the loop's must do it.
  bool StartHere() {
    // What curl calls may send a request of its own.
    if (user_.load() == std::this_thread::get_id()) return false;
    if (!curl_mutex_.TryLock()) return false;
    user_ = std::this_thread::get_id();
    bool sleeps_well = !stopping_;
    if (sleeps_well) {
      TakeIncoming();
      for (Multi* multi : added_to_) {
        PerformTimer(*multi, SteadyNow());
        FinishCompletedOf(multi->multi);
        sleeps_well = sleeps_well && multi->timer >= sleeps_until_;
      }
      added_to_.clear();
      // The time-outs of what was started are to be looked at.
      sleeps_well =
          sleeps_well && sleeps_until_ - SteadyNow() <= absl::Milliseconds(kTickMilliseconds);
    }
    user_ = std::thread::id();
    curl_mutex_.Unlock();
    return sleeps_well;
  }

  void Wake() {
    if (woken_.exchange(true)) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
  }

  static int OnSocket(CURL*, curl_socket_t socket, int what, void* user, void* known) {
    auto* multi = static_cast<Multi*>(user);
    const int epoll = multi->epoll;
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
      curl_multi_assign(multi->multi, socket, nullptr);
      return 0;
    }
    epoll_event event{};
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    event.data.u64 = uint64_t{multi->number} << 32 | static_cast<uint32_t>(socket);
    epoll_ctl(epoll, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
    curl_multi_assign(multi->multi, socket, multi);
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_milliseconds, void* user) {
    static_cast<Multi*>(user)->timer = timeout_milliseconds < 0
                                           ? absl::InfiniteFuture()
                                           : SteadyNow() + absl::Milliseconds(timeout_milliseconds);
    return 0;
  }

  void Run() {
    std::array<epoll_event, kMaxEvents> events;
    int count = 0;
    while (!stopping_) {
      int wait = 0;
      {
        MutexLock lock(&curl_mutex_);
        user_ = std::this_thread::get_id();
        Take(events, count);
        TakeIncoming();
        PerformTimers();
        FinishCompleted();
        CheckTimeouts();
        wait = WaitMilliseconds();
        sleeps_until_ = SteadyNow() + absl::Milliseconds(wait);
        user_ = std::thread::id();
      }
      count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
    }
    const absl::Status closing = Error(Reason::kShuttingDown, "the server is closing");
    MutexLock curl_lock(&curl_mutex_);
    user_ = std::this_thread::get_id();
    while (!active_.empty()) Finish(active_.begin()->first, closing);
    user_ = std::thread::id();
    MutexLock lock(&mutex_);
    for (auto& transfer : incoming_) transfer->done(closing);
    incoming_.clear();
  }

  // Lets curl do what there is to do for sockets. One may have been closed since, or be another
  // transfer's: curl finds nothing to read then.
  void Take(const std::array<epoll_event, kMaxEvents>& events, int count) {
    int running = 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.u64 == kWakeUp) {
        uint64_t wakes = 0;
        [[maybe_unused]] const ssize_t taken = read(wake_, &wakes, sizeof(wakes));
        woken_ = false;
        continue;
      }
      int ready = 0;
      if ((event.events & EPOLLIN) != 0) ready |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) ready |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) ready |= CURL_CSELECT_ERR;
      CURLM* multi = multis_[event.data.u64 >> 32]->multi;
      const auto socket = static_cast<curl_socket_t>(event.data.u64 & 0xFFFFFFFF);
      curl_multi_socket_action(multi, socket, ready, &running);
    }
  }

  // The same for curl's timers, one of which starts a transfer that was added.
  void PerformTimers() {
    const absl::Time now = SteadyNow();
    for (const auto& multi : multis_) PerformTimer(*multi, now);
    added_to_.clear();
  }

  static void PerformTimer(Multi& multi, absl::Time now) {
    if (now < multi.timer) return;
    multi.timer = absl::InfiniteFuture();
    int running = 0;
    curl_multi_socket_action(multi.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }

  absl::Time EarliestTimer() const {
    absl::Time timer = absl::InfiniteFuture();
    for (const auto& multi : multis_) timer = std::min(timer, multi->timer);
    return timer;
  }

  int WaitMilliseconds() {
    const absl::Time now = SteadyNow();
    if (!active_.empty()) last_active_ = now;
    const absl::Duration until_timer = EarliestTimer() - now;
    if (until_timer <= absl::ZeroDuration()) return 0;
    // Without transfers nothing but a wake-up can happen; one that starts soon needs none if the
    // time-outs are looked at anyway.
    const int64_t longest = now - last_active_ > kStaysAwake ? 60'000 : kTickMilliseconds;
    // Rounded up, so that the timer has passed then; compared first, as it may be infinite.
    const absl::Duration wait = std::min(absl::Milliseconds(longest), until_timer);
    return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
  }

  void TakeIncoming() {
    std::vector<std::unique_ptr<Transfer>> incoming;
    std::vector<std::pair<uint64_t, absl::Status>> cancelled;
    {
      MutexLock lock(&mutex_);
      incoming.swap(incoming_);
      cancelled.swap(cancelled_);
    }
    for (auto& transfer : incoming) Add(std::move(transfer));
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
    added_to_.push_back(handle.multi);
    curl_multi_add_handle(handle.multi->multi, handle.easy.get());
  }

  // The first, so that few transfers share their connections.
  Multi* MultiWithRoom() {
    for (const auto& multi : multis_) {
      if (multi->handles < kTransfersOfAMulti) return multi.get();
    }
    auto multi = std::make_unique<Multi>();
    multi->epoll = epoll_;
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
    Setup setup = SetupOf(request);
    if (transfer.handle->setup != setup) SetUp(*transfer.handle, std::move(setup));
    CURL* easy = transfer.handle->easy.get();
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    if (IsPost(request)) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    }
  }

  void SetUp(Handle& handle, Setup setup) {
    CURL* easy = handle.easy.get();
    curl_easy_reset(easy);
    handle.setup = std::move(setup);
    const Setup& wanted = handle.setup;
    curl_easy_setopt(easy, CURLOPT_URL, wanted.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, share_);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
    if (wanted.direct) curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, wanted.follow_redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(wanted.connect_timeout)));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(wanted.total_timeout)));
    if (wanted.is_post) curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (wanted.method == "DELETE") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    curl_slist* headers = nullptr;
    for (const auto& [name, value] : wanted.headers) {
      headers = curl_slist_append(headers, fmt::format("{}: {}", name, value).c_str());
    }
    // Large bodies would otherwise wait for a "100 Continue" that many servers never send.
    headers = curl_slist_append(headers, "Expect:");
    handle.headers.reset(headers);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_slist* resolve = nullptr;
    for (const std::string& entry : wanted.resolve) {
      resolve = curl_slist_append(resolve, entry.c_str());
    }
    handle.resolve.reset(resolve);
    if (resolve != nullptr) curl_easy_setopt(easy, CURLOPT_RESOLVE, resolve);
  }

  void FinishCompleted() {
    for (size_t i = 0; i < multis_.size(); ++i) FinishCompletedOf(multis_[i]->multi);
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

  void CheckTimeouts() {
    const absl::Time now = SteadyNow();
    if (now - last_check_ < absl::Milliseconds(kTickMilliseconds)) return;
    last_check_ = now;
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
    CURL* easy = transfer->handle->easy.get();
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

  static constexpr uint64_t kWakeUp = ~uint64_t{0};  // the event of wake_

  CURLSH* share_;  // what all multi handles know of hosts
  const int epoll_;
  const int wake_;
  std::atomic<bool> woken_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> next_id_ = 1;
  // Of whoever uses curl: all of what follows, and curl's own.
  Mutex curl_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::unordered_map<uint64_t, std::unique_ptr<Transfer>> active_;
  std::vector<std::unique_ptr<Handle>> idle_handles_;
  std::vector<std::unique_ptr<Multi>> multis_;
  std::vector<Multi*> added_to_;  // transfers that curl has not been called for
  absl::Time last_check_;
  absl::Time last_active_ = absl::InfinitePast();   // when there was a transfer
  absl::Time sleeps_until_ = absl::InfinitePast();  // when the loop's thread looks at the latest
  std::atomic<std::thread::id> user_;               // who holds curl_mutex_
  Mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> incoming_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<uint64_t, absl::Status>> cancelled_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

HttpClient::HttpClient() : loop_(std::make_shared<Loop>()) {}

HttpClient::~HttpClient() { loop_->Stop(); }

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
