#include "server/scheduler/task_identity.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <random>

#include "tools/base/hash.h"

namespace troupe {

uint64_t RandomBits() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

std::string NewTaskId(absl::Time now) {
  return fmt::format("{}-{:08x}", absl::FormatTime("%Y%m%d-%H%M%S", now, absl::UTCTimeZone()),
                     static_cast<uint32_t>(RandomBits()));
}

std::string RequestHash(const google::protobuf::MessageLite& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

}  // namespace troupe
