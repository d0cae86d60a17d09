// AddressRules: which hosts and which addresses http_request may reach. Immutable and thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// The parts of a URL that decide whether it may be asked.
struct WebAddress {
  std::string url;   // normalized, without a fragment
  std::string host;  // lower case; an address without brackets
  int port = 0;
};

// kInvalidField for what is no http or https URL, or carries a user name or a password. `base`, if
// there is one, is the URL that a relative one (of a redirect) starts from.
absl::StatusOr<WebAddress> ParseWebAddress(const std::string& url, const std::string& base = "");

// Whether anybody on the internet can have the address; false for those of this machine, of private
// networks, of links, of groups, of documentation, and for text that is no address.
bool IsPublicAddress(std::string_view address);

class AddressRules {
 public:
  // kInvalidField for a host that is none: "example.org", "*.example.org", "example.org:8443".
  static absl::StatusOr<AddressRules> Make(const std::vector<std::string>& allowed_hosts,
                                           bool allow_private_addresses);

  // kPermissionDenied, naming the hosts that are allowed.
  absl::Status CheckHost(const WebAddress& address) const;

  // Looks the host up, which blocks, and returns curl's "host:port:address,address" that ties a
  // transfer to what was checked. kPermissionDenied if an address is not public and must be;
  // UNAVAILABLE if the name cannot be resolved.
  absl::StatusOr<std::string> Resolve(const WebAddress& address) const;

  const std::vector<std::string>& allowed_hosts() const { return allowed_hosts_; }

 private:
  AddressRules(std::vector<std::string> hosts, bool allow_private)
      : allowed_hosts_(std::move(hosts)), allow_private_(allow_private) {}

  std::vector<std::string> allowed_hosts_;
  bool allow_private_;
};

}  // namespace troupe
