// What cannot be beaten: the bare transfers and the bare rows of a durable model call, made by the
// same libraries without a server around them.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::bench {

// A model call's request of so many bytes, about as the server sends it.
std::string RequestBody(int64_t bytes);

// CPU seconds of one POST through libcurl's multi interface (socket interface, epoll), `concurrent`
// at a time, over connections that are kept.
double CurlCpuPerCall(int port, int64_t calls, int concurrent, const std::string& body);

// CPU seconds of one durable call's rows in SQLite (two contents, one span, one index entry), a
// hundred calls a transaction, in the same mode as the server's.
double SqliteCpuPerCall(const std::string& folder, int64_t calls);

// Wall seconds of one such POST where each waits for the one before, as in a task of one call after
// another.
double CurlSecondsPerCall(int port, int64_t calls, const std::string& body);

// Wall seconds of one fsync of a small append in the folder.
double FsyncSeconds(const std::string& folder);

}  // namespace troupe::bench
