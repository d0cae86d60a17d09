// The example of tools/README.md: a program that serves a tool.
#include <cstdio>
#include <map>

#include "clients/cpp/tool_provider.h"

struct City {
  std::string name;
  static void Describe(troupe::Described<City>& d) { d.Field("name", &City::name, "In English"); }
};

absl::StatusOr<nlohmann::json> Population(const City& city, troupe::client::CallContext&) {
  static const std::map<std::string, int> people = {{"Lagos", 15'388'000}, {"Lima", 10'092'000}};
  const auto found = people.find(city.name);
  if (found == people.end()) return absl::NotFoundError("no such city; try Lagos or Lima");
  return found->second;
}

int main(int argc, char** argv) {
  troupe::client::ToolProvider provider(argc > 1 ? argv[1] : "127.0.0.1:7433");
  provider.Add<City>("population", "How many people live in a city.", {.read_only = true},
                     Population);
  const absl::Status served = provider.Serve();
  std::fprintf(stderr, "%s\n", served.ToString().c_str());
  return served.ok() ? 0 : 1;
}
