// The sockets of curl that are looked at by epoll. Thread-compatible.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <vector>

namespace troupe {

// curl wants a socket looked at anew for each request and not after it: that of a connection stays
// between two requests, so that most of these need not tell the system. Others (curl has some for
// looking up names) it closes without telling.
class CurlSockets {
 public:
  // `epoll` outlives this.
  explicit CurlSockets(int epoll) : epoll_(epoll) {}

  // From now on `events` (of epoll) of the socket are wanted, for the multi handle `number`, both
  // of which its events tell (data.u64: the number in the upper half); 0: none.
  void Want(curl_socket_t socket, uint32_t events, uint32_t number);

  // Whether what happened to a socket is of interest. If not the other side closed it, and it is
  // not looked at any longer.
  bool IsWanted(curl_socket_t socket);

  // Callbacks of curl, for `self` of this class: it opened a socket for a connection, ...
  static int Open(void* self, curl_socket_t socket, curlsocktype);
  // ... and is to close one.
  static int Close(void* self, curl_socket_t socket);

 private:
  struct Watched {
    uint32_t wanted = 0;
    uint32_t events = 0;  // that the system was asked for
    uint32_t number = 0;
    bool is_connection = false;
  };

  void Forget(curl_socket_t socket, Watched& watched);
  Watched& Of(curl_socket_t socket);

  const int epoll_;
  std::vector<Watched> watched_;  // by the number of the socket
};

}  // namespace troupe
