#include "clients/cpp/trace/operators.h"

namespace troupe::trace::internal {
namespace {

using Shared = std::shared_ptr<const Operator>;

Shared Of(const char* name, const char* description) {
  return std::make_shared<const Operator>(Operator{name, description, {"x", "y"}});
}

}  // namespace

const Shared& Operators::add() {
  static const Shared made = Of("add", "The sum of x and y.");
  return made;
}
const Shared& Operators::subtract() {
  static const Shared made = Of("subtract", "x less y.");
  return made;
}
const Shared& Operators::multiply() {
  static const Shared made = Of("multiply", "The product of x and y.");
  return made;
}
const Shared& Operators::divide() {
  static const Shared made =
      Of("divide", "x divided by y; of whole numbers, without what is left.");
  return made;
}
const Shared& Operators::mod() {
  static const Shared made = Of("mod", "What is left of x when it is divided by y.");
  return made;
}
const Shared& Operators::lt() {
  static const Shared made = Of("lt", "Whether x is less than y.");
  return made;
}
const Shared& Operators::le() {
  static const Shared made = Of("le", "Whether x is at most y.");
  return made;
}
const Shared& Operators::gt() {
  static const Shared made = Of("gt", "Whether x is greater than y.");
  return made;
}
const Shared& Operators::ge() {
  static const Shared made = Of("ge", "Whether x is at least y.");
  return made;
}
const Shared& Operators::eq() {
  static const Shared made = Of("eq", "Whether x equals y.");
  return made;
}
const Shared& Operators::concat() {
  static const Shared made = Of("concat", "x with y behind it.");
  return made;
}

}  // namespace troupe::trace::internal
