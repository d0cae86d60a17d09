#include "clients/cpp/tool_provider.h"

struct City {
  std::string name;
  static void Describe(troupe::Described<City>& d) { d.Field("name", &City::name, "In English"); }
};

absl::StatusOr<nlohmann::json> Area(const City& city, troupe::client::CallContext&) {
  if (city.name == "Lagos") return 1'171;
  if (city.name == "Lima") return 2'672;
  return absl::NotFoundError("no such city; try Lagos or Lima");
}

int main(int argc, char** argv) {
  troupe::client::ToolProvider provider(argc > 1 ? argv[1] : "127.0.0.1:7433");
  provider.Add<City>("area", "Square kilometres of a city.", {.read_only = true}, Area);
  return provider.Serve().ok() ? 0 : 1;
}
