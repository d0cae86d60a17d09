// The one number that a query gives.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "server/store/store.h"

namespace troupe {

// -1, and a failure of the test, if it gives none.
inline int64_t QueryNumber(Connection& connection, const std::string& sql) {
  auto statement = connection.Prepare(sql);
  EXPECT_TRUE(statement.ok()) << statement.status();
  if (!statement.ok()) return -1;
  const auto found = statement->Step();
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? statement->Int(0) : -1;
}

inline int64_t QueryNumber(Store& store, const std::string& sql) {
  int64_t number = -1;
  const absl::Status read = store.Read([&](Connection& connection) {
    number = QueryNumber(connection, sql);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  return number;
}

}  // namespace troupe
