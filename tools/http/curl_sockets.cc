#include "tools/http/curl_sockets.h"

#include <sys/epoll.h>
#include <unistd.h>

namespace troupe {

void CurlSockets::Want(curl_socket_t socket, uint32_t events, uint32_t number) {
  Watched& watched = Of(socket);
  watched.wanted = events;
  if (events == 0) {
    if (!watched.is_connection) Forget(socket, watched);
    return;
  }
  if (events == watched.events && number == watched.number) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{number} << 32 | static_cast<uint32_t>(socket);
  epoll_ctl(epoll_, watched.events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
  watched.events = events;
  watched.number = number;
}

bool CurlSockets::IsWanted(curl_socket_t socket) {
  Watched& watched = Of(socket);
  if (watched.wanted != 0) return true;
  Forget(socket, watched);
  return false;
}

int CurlSockets::Open(void* self, curl_socket_t socket, curlsocktype) {
  static_cast<CurlSockets*>(self)->Of(socket).is_connection = true;
  return CURL_SOCKOPT_OK;
}

int CurlSockets::Close(void* self, curl_socket_t socket) {
  // The system forgets what is closed by itself.
  static_cast<CurlSockets*>(self)->Of(socket) = Watched();
  return close(socket);
}

void CurlSockets::Forget(curl_socket_t socket, Watched& watched) {
  if (watched.events != 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  watched.events = 0;
}

CurlSockets::Watched& CurlSockets::Of(curl_socket_t socket) {
  const auto at = static_cast<size_t>(socket);
  if (at >= watched_.size()) watched_.resize(at + 1);
  return watched_[at];
}

}  // namespace troupe
