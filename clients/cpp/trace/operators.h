// Operators of nodes of numbers and of text. One of the two sides may be a plain value. Whole
// numbers stay whole and fail where they overflow or are divided by zero.
#pragma once

#include <cmath>

#include "clients/cpp/trace/tape.h"

namespace troupe::trace {

namespace internal {

template <typename T>
concept IsNode = std::is_base_of_v<AnyNode, std::remove_cvref_t<T>>;

template <typename T>
struct TypeOf {
  using Type = Stored<T>;
};
template <typename T>
struct TypeOf<Node<T>> {
  using Type = T;
};
template <typename T>
using TypeIn = typename TypeOf<std::remove_cvref_t<T>>::Type;

template <typename T>
concept IsNumber = std::is_same_v<TypeIn<T>, int64_t> || std::is_same_v < TypeIn<T>,
double > ;
template <typename L, typename R>
concept Numbers = (IsNode<L> || IsNode<R>)&&IsNumber<L>&& IsNumber<R>;
template <typename L, typename R>
concept Texts =
    (IsNode<L> ||
     IsNode<R>)&&std::is_same_v<TypeIn<L>, std::string>&& std::is_same_v<TypeIn<R>, std::string>;
template <typename L, typename R>
using Common =
    std::conditional_t<std::is_same_v<TypeIn<L>, int64_t> && std::is_same_v<TypeIn<R>, int64_t>,
                       int64_t, double>;

// The built-in operations, each once for all tapes.
struct Operators {
  static const std::shared_ptr<const Operator>&add(), &subtract(), &multiply(), &divide(), &mod(),
      &lt(), &le(), &gt(), &ge(), &eq(), &concat();
};

// `compute` gives the value, or a failure by its second argument.
template <typename Result, typename Of, typename L, typename R, typename F>
Node<Result> Apply(const std::shared_ptr<const Operator>& operation, const L& left, const R& right,
                   F compute) {
  Tape* tape = nullptr;
  if constexpr (IsNode<L>) {
    tape = &left.tape();
  } else {
    tape = &right.tape();
  }
  const auto input = [tape](const auto& given) {
    if constexpr (IsNode<decltype(given)>) {
      return tape->IdOf(given);
    } else {
      return tape->AddInput("", MakeValue(given));
    }
  };
  const std::array<int32_t, 2> inputs = {input(left), input(right)};
  for (const int32_t id : inputs) {
    if (id == Tape::kNone) return tape->Make<Result>(tape->AddInput("unknown", Value()));
    if (tape->FailureOf(id) != nullptr) return tape->Make<Result>(id);
  }
  Failure failure;
  Result result = compute(ReadValue<Of>(tape->ValueOf(inputs[0])),
                          ReadValue<Of>(tape->ValueOf(inputs[1])), failure);
  return tape->Make<Result>(failure.type.empty()
                                ? tape->Record(operation, inputs, MakeValue(std::move(result)))
                                : tape->RecordFailure(operation, inputs, std::move(failure)));
}

inline int64_t Checked(bool overflows, int64_t result, Failure& failure) {
  if (overflows) failure = {"OverflowError", "the result is no 64-bit whole number"};
  return result;
}

inline int64_t Divide(int64_t x, int64_t y, bool rest, Failure& failure) {
  if (y == 0) {
    failure = {"ZeroDivisionError", "division by zero"};
    return 0;
  }
  if (y == -1) return rest ? 0 : Checked(x == INT64_MIN, x == INT64_MIN ? 0 : -x, failure);
  return rest ? x % y : x / y;
}

template <typename Result, typename L, typename R, typename F>
Node<Result> Compare(const std::shared_ptr<const Operator>& operation, const L& left,
                     const R& right, F holds) {
  using Of = std::conditional_t<std::is_same_v<TypeIn<L>, std::string>, std::string, Common<L, R>>;
  return Apply<bool, Of>(operation, left, right,
                         [holds](const Of& x, const Of& y, Failure&) { return holds(x, y); });
}

}  // namespace internal

template <typename L, typename R>
requires internal::Numbers<L, R>
auto operator+(const L& left, const R& right) {
  using T = internal::Common<L, R>;
  return internal::Apply<T, T>(internal::Operators::add(), left, right,
                               [](T x, T y, [[maybe_unused]] Failure& failure) {
                                 if constexpr (std::is_same_v<T, double>) {
                                   return x + y;
                                 } else {
                                   int64_t sum = 0;
                                   const bool over = __builtin_add_overflow(x, y, &sum);
                                   return internal::Checked(over, sum, failure);
                                 }
                               });
}

template <typename L, typename R>
requires internal::Numbers<L, R>
auto operator-(const L& left, const R& right) {
  using T = internal::Common<L, R>;
  return internal::Apply<T, T>(internal::Operators::subtract(), left, right,
                               [](T x, T y, [[maybe_unused]] Failure& failure) {
                                 if constexpr (std::is_same_v<T, double>) {
                                   return x - y;
                                 } else {
                                   int64_t rest = 0;
                                   const bool over = __builtin_sub_overflow(x, y, &rest);
                                   return internal::Checked(over, rest, failure);
                                 }
                               });
}

template <typename L, typename R>
requires internal::Numbers<L, R>
auto operator*(const L& left, const R& right) {
  using T = internal::Common<L, R>;
  return internal::Apply<T, T>(internal::Operators::multiply(), left, right,
                               [](T x, T y, [[maybe_unused]] Failure& failure) {
                                 if constexpr (std::is_same_v<T, double>) {
                                   return x * y;
                                 } else {
                                   int64_t product = 0;
                                   const bool over = __builtin_mul_overflow(x, y, &product);
                                   return internal::Checked(over, product, failure);
                                 }
                               });
}

template <typename L, typename R>
requires internal::Numbers<L, R>
auto operator/(const L& left, const R& right) {
  using T = internal::Common<L, R>;
  return internal::Apply<T, T>(internal::Operators::divide(), left, right,
                               [](T x, T y, [[maybe_unused]] Failure& failure) {
                                 if constexpr (std::is_same_v<T, double>) {
                                   return x / y;
                                 } else {
                                   return internal::Divide(x, y, false, failure);
                                 }
                               });
}

template <typename L, typename R>
requires internal::Numbers<L, R> && std::is_same_v<internal::Common<L, R>, int64_t>
auto operator%(const L& left, const R& right) {
  return internal::Apply<int64_t, int64_t>(
      internal::Operators::mod(), left, right,
      [](int64_t x, int64_t y, Failure& failure) { return internal::Divide(x, y, true, failure); });
}

template <typename L, typename R>
requires internal::Texts<L, R>
auto operator+(const L& left, const R& right) {
  using T = std::string;
  return internal::Apply<T, T>(internal::Operators::concat(), left, right,
                               [](const T& x, const T& y, Failure&) { return x + y; });
}

template <typename T>
requires internal::IsNumber<Node<T>> Node<T>
operator-(const Node<T>& x) { return T() - x; }

template <typename L, typename R>
requires internal::Numbers<L, R> || internal::Texts<L, R>
auto operator<(const L& left, const R& right) {
  return internal::Compare<bool>(internal::Operators::lt(), left, right, std::less<>());
}
template <typename L, typename R>
requires internal::Numbers<L, R> || internal::Texts<L, R>
auto operator<=(const L& left, const R& right) {
  return internal::Compare<bool>(internal::Operators::le(), left, right, std::less_equal<>());
}
template <typename L, typename R>
requires internal::Numbers<L, R> || internal::Texts<L, R>
auto operator>(const L& left, const R& right) {
  return internal::Compare<bool>(internal::Operators::gt(), left, right, std::greater<>());
}
template <typename L, typename R>
requires internal::Numbers<L, R> || internal::Texts<L, R>
auto operator>=(const L& left, const R& right) {
  return internal::Compare<bool>(internal::Operators::ge(), left, right, std::greater_equal<>());
}
// Whether both are equal, as a node.
template <typename L, typename R>
requires internal::Numbers<L, R> || internal::Texts<L, R>
auto eq(const L& left, const R& right) {
  return internal::Compare<bool>(internal::Operators::eq(), left, right, std::equal_to<>());
}

}  // namespace troupe::trace
