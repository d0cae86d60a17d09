#include "tools/builtin/address_rules.h"

#include <absl/strings/ascii.h>
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

struct Range {
  uint32_t address;
  int bits;
};

// IANA's registry of special-purpose IPv4 addresses, and the groups (224/4) and reserved (240/4).
constexpr std::array<Range, 15> kSpecialRanges = {{{0x00000000, 8},
                                                   {0x0A000000, 8},
                                                   {0x64400000, 10},
                                                   {0x7F000000, 8},
                                                   {0xA9FE0000, 16},
                                                   {0xAC100000, 12},
                                                   {0xC0000000, 24},
                                                   {0xC0000200, 24},
                                                   {0xC0586300, 24},
                                                   {0xC0A80000, 16},
                                                   {0xC6120000, 15},
                                                   {0xC6336400, 24},
                                                   {0xCB007100, 24},
                                                   {0xE0000000, 4},
                                                   {0xF0000000, 4}}};

bool IsPublic4(uint32_t address) {
  return std::none_of(kSpecialRanges.begin(), kSpecialRanges.end(), [&](const Range& range) {
    return (address ^ range.address) >> (32 - range.bits) == 0;
  });
}

uint32_t Read32(const uint8_t* bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return ntohl(value);
}

bool IsPublic6(const in6_addr& address) {
  const uint8_t* bytes = address.s6_addr;
  // An IPv4 address in an IPv6 one (mapped, NAT64, 6to4) reaches that IPv4 address.
  if (IN6_IS_ADDR_V4MAPPED(&address)) return IsPublic4(Read32(bytes + 12));
  constexpr uint8_t kNat64[12] = {0x00, 0x64, 0xFF, 0x9B};
  if (std::memcmp(bytes, kNat64, sizeof(kNat64)) == 0) return IsPublic4(Read32(bytes + 12));
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return IsPublic4(Read32(bytes + 2));
  // Of what remains, global unicast is 2000::/3, less Teredo and its neighbours and documentation.
  if ((bytes[0] & 0xE0) != 0x20) return false;
  const bool protocols = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 0x02;
  const bool documentation =
      bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0D && bytes[3] == 0xB8;
  return !protocols && !documentation;
}

std::string Part(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string value = text;
  curl_free(text);
  return value;
}

absl::Status NoUrl(std::string_view url, std::string_view why) {
  return Error(Reason::kInvalidField, fmt::format("'{}' cannot be asked: {}", url, why),
               {{"field", "url"}});
}

// "*.example.org" is for all below example.org and not for itself.
bool Matches(const std::string& rule, const WebAddress& address) {
  std::string host = rule;
  bool port_fits = address.port == 80 || address.port == 443;
  if (const size_t colon = rule.rfind(':'); colon != std::string::npos) {
    host = rule.substr(0, colon);
    port_fits = rule.substr(colon + 1) == std::to_string(address.port);
  }
  if (!port_fits) return false;
  if (!host.starts_with("*.")) return host == address.host;
  return address.host.size() > host.size() - 1 && address.host.ends_with(host.substr(1));
}

}  // namespace

absl::StatusOr<WebAddress> ParseWebAddress(const std::string& text, const std::string& base) {
  Url url(curl_url());
  if (!base.empty()) curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0);
  if (const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
      code != CURLUE_OK) {
    return NoUrl(text, curl_url_strerror(code));
  }
  const std::string scheme = Part(url.get(), CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") return NoUrl(text, "give an http or https URL");
  if (!Part(url.get(), CURLUPART_USER, 0).empty() ||
      !Part(url.get(), CURLUPART_PASSWORD, 0).empty()) {
    return Error(Reason::kInvalidField, "the URL must not carry a user name or a password",
                 {{"field", "url"}});
  }
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  WebAddress address;
  address.url = Part(url.get(), CURLUPART_URL, 0);
  address.host = absl::AsciiStrToLower(Part(url.get(), CURLUPART_HOST, 0));
  if (address.host.starts_with("[")) address.host = address.host.substr(1, address.host.size() - 2);
  // "example.org." is the same host.
  if (address.host.ends_with(".")) return NoUrl(text, "leave out the dot at the host's end");
  const std::string port = Part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (address.host.empty() || port.empty() || port.size() > 5) return NoUrl(text, "it has no host");
  address.port = std::stoi(port);
  return address;
}

bool IsPublicAddress(std::string_view text) {
  const std::string address(text);
  in_addr four;
  in6_addr six;
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return IsPublic4(ntohl(four.s_addr));
  if (inet_pton(AF_INET6, address.c_str(), &six) == 1) return IsPublic6(six);
  return false;
}

absl::StatusOr<AddressRules> AddressRules::Make(const std::vector<std::string>& allowed_hosts,
                                                bool allow_private_addresses) {
  std::vector<std::string> hosts;
  for (const std::string& given : allowed_hosts) {
    const std::string host = absl::AsciiStrToLower(given);
    const std::string plain = host.starts_with("*.") ? host.substr(2) : host;
    const auto parsed = ParseWebAddress("http://" + plain + "/");
    const bool whole = parsed.ok() && (plain == parsed->host ||
                                       plain == fmt::format("{}:{}", parsed->host, parsed->port));
    if (!whole || plain.find('*') != std::string::npos) {
      return Error(Reason::kInvalidField,
                   fmt::format("'{}' is no host: give example.org, *.example.org or "
                               "example.org:8443",
                               given),
                   {{"field", "http_allowed_hosts"}});
    }
    hosts.push_back(host);
  }
  return AddressRules(std::move(hosts), allow_private_addresses);
}

absl::Status AddressRules::CheckHost(const WebAddress& address) const {
  for (const std::string& rule : allowed_hosts_) {
    if (Matches(rule, address)) return absl::OkStatus();
  }
  return Error(Reason::kPermissionDenied,
               fmt::format("{}:{} may not be reached; allowed are: {}", address.host, address.port,
                           fmt::join(allowed_hosts_, ", ")),
               {{"host", address.host}});
}

absl::StatusOr<std::string> AddressRules::Resolve(const WebAddress& address) const {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int code = getaddrinfo(address.host.c_str(), nullptr, &hints, &raw);
  if (code != 0) {
    return absl::UnavailableError(fmt::format("{}: {}", address.host, gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> found(raw, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = raw; entry != nullptr; entry = entry->ai_next) {
    char text[INET6_ADDRSTRLEN] = {};
    getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
    std::string numeric = text;
    // One public address among private ones is no reason to trust the name.
    if (!allow_private_ && !IsPublicAddress(numeric)) {
      return Error(Reason::kPermissionDenied,
                   fmt::format("{} is at {}, which is not a public address", address.host, numeric),
                   {{"host", address.host}});
    }
    if (numeric.find(':') != std::string::npos) numeric = fmt::format("[{}]", numeric);
    addresses.push_back(std::move(numeric));
  }
  if (addresses.empty()) return absl::UnavailableError(address.host + " has no address");
  const bool six = address.host.find(':') != std::string::npos;
  return fmt::format("{}:{}:{}", six ? fmt::format("[{}]", address.host) : address.host,
                     address.port, fmt::join(addresses, ","));
}

}  // namespace troupe
