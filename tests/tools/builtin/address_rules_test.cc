#include "tools/builtin/address_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"

namespace troupe {
namespace {

using ::testing::HasSubstr;

TEST(AddressRulesTest, TellsPublicAddressesFromOthers) {
  for (const char* address : {"93.184.216.34", "8.8.8.8", "172.32.0.1", "192.167.255.255",
                              "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
  for (const char* address : {"127.0.0.1",
                              "127.8.9.1",
                              "0.0.0.0",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "198.18.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "2001:db8::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001::1",
                              "::127.0.0.1",
                              "localhost",
                              "",
                              "1.2.3"}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

TEST(AddressRulesTest, ParsesUrlsAsTheClientWill) {
  const auto address = ParseWebAddress("HTTP://Example.ORG:8080/a/../b?q=1#part");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->host, "example.org");
  EXPECT_EQ(address->port, 8080);
  EXPECT_THAT(address->url, HasSubstr("/b?q=1"));
  EXPECT_EQ(ParseWebAddress("https://example.org")->port, 443);
  EXPECT_EQ(ParseWebAddress("/next", "https://example.org/a/b")->url, "https://example.org/next");
  EXPECT_EQ(ParseWebAddress("//other.org/x", "https://example.org/a")->host, "other.org");
  EXPECT_EQ(ParseWebAddress("http://0x7f.1/")->host, "127.0.0.1");
}

TEST(AddressRulesTest, RefusesUrlsThatAreNoWebPages) {
  for (const char* url :
       {"", "example", "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/",
        "http://user:word@example.org/", "http://example.org@127.0.0.1/", "http://example.org./",
        "http://exa mple.org/", "http://example.org:99999/"}) {
    EXPECT_FALSE(ParseWebAddress(url).ok()) << url;
  }
}

TEST(AddressRulesTest, AllowsWhatTheListNames) {
  const auto rules = AddressRules::Make({"example.org", "*.ebi.ac.uk", "lab.org:8443"}, false);
  ASSERT_TRUE(rules.ok()) << rules.status();
  const auto allowed = [&](const char* url) {
    const auto address = ParseWebAddress(url);
    return address.ok() && rules->CheckHost(*address).ok();
  };
  EXPECT_TRUE(allowed("https://EXAMPLE.org/x"));
  EXPECT_TRUE(allowed("https://www.ebi.ac.uk/"));
  EXPECT_TRUE(allowed("https://a.b.ebi.ac.uk/"));
  EXPECT_TRUE(allowed("http://lab.org:8443/"));
  EXPECT_FALSE(allowed("https://www.example.org/"));
  EXPECT_FALSE(allowed("https://ebi.ac.uk/"));
  EXPECT_FALSE(allowed("https://evilebi.ac.uk/"));
  EXPECT_FALSE(allowed("https://example.org.evil.com/"));
  EXPECT_FALSE(allowed("https://example.org:22/"));
  EXPECT_FALSE(allowed("https://lab.org/"));
}

TEST(AddressRulesTest, NamesTheAllowedHostsWhenItRefuses) {
  const auto rules = AddressRules::Make({"example.org"}, false);
  const absl::Status refused = rules->CheckHost(*ParseWebAddress("https://evil.org/"));
  EXPECT_TRUE(HasReason(refused, Reason::kPermissionDenied));
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("example.org"));
}

TEST(AddressRulesTest, RefusesHostsThatAreNone) {
  for (const char* host : {"", "https://example.org", "example.org/x", "*", "*.", "a*.org",
                           "user@example.org", "example.org:port"}) {
    EXPECT_TRUE(HasReason(AddressRules::Make({host}, false).status(), Reason::kInvalidField))
        << host;
  }
}

TEST(AddressRulesTest, TiesATransferToTheAddressesItChecked) {
  const auto address = ParseWebAddress("http://127.0.0.1:8080/");
  const auto open = AddressRules::Make({"127.0.0.1:8080"}, true);
  EXPECT_EQ(*open->Resolve(*address), "127.0.0.1:8080:127.0.0.1");
  const auto strict = AddressRules::Make({"127.0.0.1:8080"}, false);
  EXPECT_TRUE(HasReason(strict->Resolve(*address).status(), Reason::kPermissionDenied));
}

}  // namespace
}  // namespace troupe
