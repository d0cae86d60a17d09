// A handle of curl that is kept between requests as it was set up: most requests are like the one
// before. Thread-compatible.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/http/curl_sockets.h"
#include "tools/http/http_client.h"

namespace troupe {

// Whether a request has a body to post.
bool IsPost(const HttpRequest& request);

class CurlHandle {
 public:
  // What all handles of a client have in common; all of it outlives them.
  struct Shared {
    CURLSH* share = nullptr;         // what is known of hosts
    CurlSockets* sockets = nullptr;  // told of those that are opened and closed
    curl_write_callback on_header = nullptr;
    curl_write_callback on_body = nullptr;
  };

  // Sets the handle up for a request, if it is not: all but its body and the data of callbacks.
  void SetUp(const HttpRequest& request, const Shared& shared);

  CURL* get() const { return easy_.get(); }

 private:
  struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct UrlDeleter {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };
  struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, ListDeleter>;

  // What requests of one kind have in common.
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
  };

  static Setup SetupOf(const HttpRequest& request);
  bool IsFor(const HttpRequest& request) const;
  void SetUrl();
  void SetTimeouts();
  void SetLists();

  List headers_;
  List resolve_;
  std::unique_ptr<CURLU, UrlDeleter> url_;  // null: curl reads the URL for each transfer
  Setup setup_;
  std::unique_ptr<CURL, EasyDeleter> easy_{curl_easy_init()};  // goes before what it refers to
};

}  // namespace troupe
