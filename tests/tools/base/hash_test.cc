// Names of what is stored by content.
#include "tools/base/hash.h"

#include <gtest/gtest.h>

namespace troupe {
namespace {

constexpr char kOfNoBytes[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(HashTest, IsTheSameAsDigitsAndAsBytes) {
  const Hash hash = Sha256("");
  EXPECT_EQ(hash.hex(), kOfNoBytes);
  EXPECT_EQ(Sha256Hex(""), kOfNoBytes);
  EXPECT_EQ(Hash::FromHex(kOfNoBytes), hash);
  EXPECT_EQ(Hash::FromBytes(hash.bytes()), hash);
  EXPECT_EQ(hash.bytes().size(), Hash::kBytes);
  EXPECT_NE(Sha256("other"), hash);
  EXPECT_EQ(hash.key(), absl::MakeUint128(0xe3b0c44298fc1c14, 0x9afbf4c8996fb924));
  EXPECT_EQ(Hash::KeyOf(hash.bytes().substr(0, 16)), hash.key());
  EXPECT_EQ(Sha256Prefix(""), 0xe3b0c44298fc1c14u);
}

TEST(HashTest, IsOfNothingForWhatIsNone) {
  const Hash nothing;
  EXPECT_TRUE(nothing.empty());
  EXPECT_EQ(nothing.hex(), "");
  EXPECT_EQ(nothing.bytes(), "");
  EXPECT_NE(Sha256(""), nothing);
  std::string wrong = kOfNoBytes;
  wrong[10] = 'x';
  for (const std::string& text : {std::string(), std::string("e3b0"), wrong}) {
    EXPECT_EQ(Hash::FromHex(text), nothing) << text;
  }
  EXPECT_EQ(Hash::FromBytes("too short"), nothing);
}

}  // namespace
}  // namespace troupe
