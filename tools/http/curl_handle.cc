#include "tools/http/curl_handle.h"

#include <fmt/format.h>

namespace troupe {
namespace {

// Of a reply that are taken at once. Each transfer has room for them all the time.
constexpr long kReceiveBytes = 4096;

}  // namespace

bool IsPost(const HttpRequest& request) {
  return request.method == "POST" || !request.body.empty();
}

CurlHandle::Setup CurlHandle::SetupOf(const HttpRequest& request) {
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

bool CurlHandle::IsFor(const HttpRequest& request) const {
  return setup_.method == request.method && setup_.url == request.url &&
         setup_.headers == request.headers && setup_.resolve == request.resolve &&
         setup_.connect_timeout == request.timeouts.connect &&
         setup_.total_timeout == request.timeouts.total && setup_.is_post == IsPost(request) &&
         setup_.follow_redirects == request.follow_redirects && setup_.direct == request.direct;
}

void CurlHandle::SetUp(const HttpRequest& request, const Shared& shared) {
  if (IsFor(request)) return;
  setup_ = SetupOf(request);
  CURL* easy = easy_.get();
  curl_easy_reset(easy);
  SetUrl();
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBytes);
  curl_easy_setopt(easy, CURLOPT_SHARE, shared.share);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, CurlSockets::Open);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, shared.sockets);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, CurlSockets::Close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, shared.sockets);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "127.0.0.1,localhost,::1");
  if (setup_.direct) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, setup_.follow_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, shared.on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, shared.on_body);
  if (setup_.is_post) curl_easy_setopt(easy, CURLOPT_POST, 1L);
  if (setup_.method == "DELETE") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
  SetTimeouts();
  SetLists();
}

// A URL that is read already spares curl to take it apart and to put it together for each transfer.
// Where redirects are followed each has another, and what is no URL curl has a word for.
void CurlHandle::SetUrl() {
  url_.reset(setup_.follow_redirects ? nullptr : curl_url());
  const char* const text = setup_.url.c_str();
  if (url_ != nullptr && curl_url_set(url_.get(), CURLUPART_URL, text, 0) == CURLUE_OK) {
    curl_easy_setopt(easy_.get(), CURLOPT_CURLU, url_.get());
  } else {
    curl_easy_setopt(easy_.get(), CURLOPT_URL, text);
  }
}

void CurlHandle::SetTimeouts() {
  curl_easy_setopt(easy_.get(), CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(setup_.connect_timeout)));
  curl_easy_setopt(easy_.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(setup_.total_timeout)));
}

void CurlHandle::SetLists() {
  curl_slist* headers = nullptr;
  for (const auto& [name, value] : setup_.headers) {
    headers = curl_slist_append(headers, fmt::format("{}: {}", name, value).c_str());
  }
  // Large bodies would otherwise wait for a "100 Continue" that many servers never send.
  headers = curl_slist_append(headers, "Expect:");
  headers_.reset(headers);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers);
  curl_slist* resolve = nullptr;
  for (const std::string& entry : setup_.resolve) {
    resolve = curl_slist_append(resolve, entry.c_str());
  }
  resolve_.reset(resolve);
  if (resolve != nullptr) curl_easy_setopt(easy_.get(), CURLOPT_RESOLVE, resolve);
}

}  // namespace troupe
