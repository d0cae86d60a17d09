// bundle: a plain function as one operation of the graph.
//
//   double Foo(double x, double z) { return x * z; }
//
//   auto foo = bundle("foo", "The product of x and z.", {"x", "z"}, Foo);
//   Node<double> y = foo(x, 3.0);
//
// The function gets values. What it throws, and a status if it returns an absl::StatusOr, is how
// the node failed. Arguments that are no nodes become inputs, called as the argument; one at least
// is a node. Reading a parameter inside by value() counts as using it: feedback reaches it.
#pragma once

#include <absl/status/statusor.h>
#include <cxxabi.h>

#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <tuple>

#include "clients/cpp/trace/tape.h"

namespace troupe::trace {

namespace internal {

template <typename F>
struct SignatureOf : SignatureOf<decltype(&F::operator())> {};
template <typename R, typename... Args>
struct SignatureOf<R (*)(Args...)> {
  using Result = R;
  using Function = std::function<R(Args...)>;
  using Arguments = std::tuple<std::remove_cvref_t<Args>...>;
  static constexpr size_t kArity = sizeof...(Args);
};
template <typename R, typename... Args>
struct SignatureOf<R (*)(Args...) noexcept> : SignatureOf<R (*)(Args...)> {};
template <typename C, typename R, typename... Args>
struct SignatureOf<R (C::*)(Args...) const> : SignatureOf<R (*)(Args...)> {};
template <typename C, typename R, typename... Args>
struct SignatureOf<R (C::*)(Args...)> : SignatureOf<R (*)(Args...)> {};

template <typename T>
struct WithoutStatus {
  using Type = T;
};
template <typename T>
struct WithoutStatus<absl::StatusOr<T>> {
  using Type = T;
};

template <typename T>
Tape* TapeOf(const T& given) {
  if constexpr (std::is_base_of_v<AnyNode, T>) return &given.tape();
  return nullptr;
}

// The node that is given, or a new input with the value that is, called as the argument at `place`.
template <typename T>
int32_t InputOf(Tape& tape, std::span<const std::string> arguments, size_t place, const T& given) {
  if constexpr (std::is_base_of_v<AnyNode, T>) {
    return tape.IdOf(given);
  } else {
    return tape.AddInput(place < arguments.size() ? arguments[place] : "argument",
                         MakeValue(given));
  }
}

inline Failure FailureOf(const std::exception& error) {
  int status = 0;
  char* const name = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status);
  Failure failure{name == nullptr ? typeid(error).name() : name, error.what()};
  std::free(name);
  return failure;
}

}  // namespace internal

template <typename F>
class Bundle {
  using Signature = internal::SignatureOf<F>;
  using Arguments = typename Signature::Arguments;
  using Result = Stored<typename internal::WithoutStatus<typename Signature::Result>::Type>;

 public:
  Bundle(std::shared_ptr<const Operator> operation, F function)
      : operation_(std::move(operation)), function_(std::move(function)) {}

  template <typename... Given>
  Node<Result> operator()(const Given&... given) const {
    static_assert(sizeof...(Given) == Signature::kArity, "a value or node for each argument");
    static_assert((std::is_base_of_v<AnyNode, Given> || ...), "one argument at least is a node");
    Tape* tape = nullptr;
    ((tape = tape == nullptr ? internal::TapeOf(given) : tape), ...);
    size_t place = 0;
    const std::array<int32_t, sizeof...(Given)> inputs = {
        internal::InputOf(*tape, operation_->arguments, place++, given)...};
    for (const int32_t id : inputs) {
      if (id == Tape::kNone) return tape->Make<Result>(tape->AddInput("unknown", Value()));
      if (tape->FailureOf(id) != nullptr) return tape->Make<Result>(id);
    }
    return tape->Make<Result>(Run(*tape, inputs, std::make_index_sequence<sizeof...(Given)>()));
  }

 private:
  template <size_t N, size_t... I>
  int32_t Run(Tape& tape, const std::array<int32_t, N>& inputs, std::index_sequence<I...>) const {
    const Tape::Reading reading(tape);
    Failure failure;
    try {
      auto result = function_(
          ReadValue<std::tuple_element_t<I, Arguments>>(tape.ValueOf(std::get<I>(inputs)))...);
      if constexpr (std::is_same_v<Stored<decltype(result)>, Result>) {
        return tape.Record(operation_, inputs, MakeValue(std::move(result)));
      } else {
        if (result.ok()) return tape.Record(operation_, inputs, MakeValue(*std::move(result)));
        failure = {absl::StatusCodeToString(result.status().code()),
                   std::string(result.status().message())};
      }
    } catch (const std::exception& error) {
      failure = internal::FailureOf(error);
    }
    return tape.RecordFailure(operation_, inputs, std::move(failure));
  }

  std::shared_ptr<const Operator> operation_;
  F function_;
};

// `name` is of letters, digits and _; `description` is what optimizers read of it.
template <typename F>
auto bundle(std::string_view name, std::string_view description,
            const std::array<std::string_view, internal::SignatureOf<F>::kArity>& arguments,
            F function) {
  auto operation = std::make_shared<Operator>();
  operation->name = name;
  operation->description = description;
  for (size_t i = 0; i < arguments.size(); ++i) {
    operation->arguments.emplace_back(arguments[i].empty() ? "args_" + std::to_string(i)
                                                           : std::string(arguments[i]));
  }
  return Bundle<F>(std::move(operation), std::move(function));
}

}  // namespace troupe::trace
