// The commands for data sets: dataset upload, list, show, delete.
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "clients/cpp/commands.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/render.h"
#include "troupe/v1/dataset_service.grpc.pb.h"

namespace troupe::client {
namespace {

constexpr size_t kChunkBytes = 256 * 1024;
constexpr auto kUploadTime = std::chrono::minutes(10);
constexpr size_t kWidth = 100;

struct UploadOptions {
  std::string file;
  std::string name;
  std::string format;
  std::string description;
  std::string split_field;
  std::vector<std::string> shares;
};

struct ShowOptions {
  std::string name;
  std::string split;
  int items = 5;
};

std::unique_ptr<v1::DatasetService::Stub> DatasetsOf(const GlobalOptions& global) {
  return v1::DatasetService::NewStub(
      grpc::CreateChannel(global.server, grpc::InsecureChannelCredentials()));
}

// A name of a data set made from a file's.
std::string NameOf(const std::string& file) {
  std::string name = std::filesystem::path(file).stem().string();
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '-';
  }
  return name;
}

v1::DatasetHeader HeaderOf(const UploadOptions& options) {
  v1::DatasetHeader header;
  header.set_dataset_id(options.name.empty() ? NameOf(options.file) : options.name);
  std::string format = options.format;
  if (format.empty()) format = options.file.ends_with(".csv") ? "csv" : "jsonl";
  header.set_format(format == "csv" ? v1::DATASET_FORMAT_CSV : v1::DATASET_FORMAT_JSONL);
  header.set_description(options.description);
  header.set_split_field(options.split_field);
  for (const std::string& text : options.shares) {
    const auto [split, value] = KeyValue(text);
    double share = 0;
    if (!CLI::detail::lexical_cast(value, share)) {
      throw CLI::ValidationError(text, "give it as SPLIT=PART, as train=0.2");
    }
    v1::DatasetShare* added = header.add_shares();
    added->set_split(split);
    added->set_share(share);
  }
  return header;
}

std::string SplitsText(const v1::Dataset& dataset) {
  std::map<std::string, int32_t> splits(dataset.splits().begin(), dataset.splits().end());
  std::string text;
  for (const auto& [split, items] : splits) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", split, items);
  }
  return text;
}

std::string DatasetLine(const v1::Dataset& dataset) {
  std::string line = fmt::format("{}@{}  {} items", dataset.name(), dataset.digest().substr(0, 12),
                                 dataset.items());
  if (const std::string splits = SplitsText(dataset); !splits.empty()) {
    line += fmt::format(" ({})", splits);
  }
  if (!dataset.description().empty()) line += "  " + dataset.description();
  return OneLine(line, 0);
}

int Upload(const UploadOptions& options, const GlobalOptions& global) {
  std::ifstream file(options.file, std::ios::binary);
  if (!file) throw CLI::ValidationError(options.file, "cannot be opened");
  const v1::DatasetHeader header = HeaderOf(options);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kUploadTime);
  const auto datasets = DatasetsOf(global);
  v1::CreateDatasetResponse response;
  const auto stream = datasets->CreateDataset(&context, &response);
  v1::CreateDatasetRequest request;
  *request.mutable_header() = header;
  std::string chunk(kChunkBytes, '\0');
  // A write that fails was refused: the status at the end says why.
  while (stream->Write(request) && file) {
    file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    request.clear_header();
    request.set_chunk(chunk.substr(0, static_cast<size_t>(file.gcount())));
  }
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return Report(status, global.json);
  if (global.json) {
    std::cout << ToJson(response) << std::endl;
  } else {
    std::cout << DatasetLine(response.dataset())
              << (response.existed() ? "  (was there already)" : "") << std::endl;
  }
  return kExitOk;
}

int List(const GlobalOptions& global) {
  const auto datasets = DatasetsOf(global);
  v1::ListDatasetsResponse all;
  v1::ListDatasetsRequest request;
  do {
    v1::ListDatasetsResponse page;
    const auto status = datasets->ListDatasets(CallContext().get(), request, &page);
    if (!status.ok()) return Report(status, global.json);
    request.set_page_token(page.next_page_token());
    all.mutable_datasets()->MergeFrom(page.datasets());
  } while (!request.page_token().empty());
  std::sort(all.mutable_datasets()->begin(), all.mutable_datasets()->end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  if (global.json) {
    std::cout << ToJson(all) << std::endl;
    return kExitOk;
  }
  for (const v1::Dataset& dataset : all.datasets()) std::cout << DatasetLine(dataset) << std::endl;
  return kExitOk;
}

std::string DatasetName(const std::string& given) {
  return given.rfind("datasets/", 0) == 0 ? given : "datasets/" + given;
}

int Show(const ShowOptions& options, const GlobalOptions& global) {
  const auto datasets = DatasetsOf(global);
  v1::GetDatasetRequest get;
  get.set_name(DatasetName(options.name));
  v1::GetDatasetResponse got;
  auto status = datasets->GetDataset(CallContext().get(), get, &got);
  if (!status.ok()) return Report(status, global.json);
  v1::ListDatasetItemsResponse items;
  if (options.items > 0) {
    v1::ListDatasetItemsRequest list;
    list.set_parent(got.dataset().name() + "@" + got.dataset().digest());
    list.set_split(options.split);
    list.set_page_size(options.items);
    status = datasets->ListDatasetItems(CallContext().get(), list, &items);
    if (!status.ok()) return Report(status, global.json);
  }
  if (global.json) {
    std::cout << fmt::format("{{\"dataset\": {}, \"items\": {}}}", ToJson(got.dataset(), false),
                             ToJson(items, false))
              << std::endl;
    return kExitOk;
  }
  std::cout << DatasetLine(got.dataset()) << "\nfields:";
  for (const std::string& field : got.dataset().fields()) std::cout << " " << OneLine(field, 0);
  std::cout << "\nversions:";
  for (const std::string& digest : got.dataset().versions()) {
    std::cout << " " << digest.substr(0, 12);
  }
  std::cout << std::endl;
  for (const v1::DatasetItem& item : items.items()) {
    const std::string split = item.split().empty() ? "" : " [" + item.split() + "]";
    std::cout << fmt::format("{:>6}{} {}", item.number(), split,
                             OneLine(ToJson(item.fields(), false), kWidth))
              << std::endl;
  }
  return kExitOk;
}

int Delete(const std::string& name, const GlobalOptions& global) {
  v1::DeleteDatasetRequest request;
  request.set_name(DatasetName(name));
  v1::DeleteDatasetResponse response;
  const auto status = DatasetsOf(global)->DeleteDataset(CallContext().get(), request, &response);
  if (!status.ok()) return Report(status, global.json);
  std::cout << (global.json ? "{}" : "deleted " + request.name()) << std::endl;
  return kExitOk;
}

}  // namespace

void AddDatasetCommands(CLI::App& app, GlobalOptions& global, int& exit_code) {
  auto upload = std::make_shared<UploadOptions>();
  auto show = std::make_shared<ShowOptions>();
  CLI::App* dataset =
      app.add_subcommand("dataset", "Upload, list, show or delete data sets for evaluations");
  dataset->require_subcommand(1);
  CLI::App* command = dataset->add_subcommand("upload", "Upload a file of items");
  command->add_option("file", upload->file, "JSON Lines, or CSV with a line of names")->required();
  command->add_option("--name", upload->name, "What it is called; without, after the file");
  command->add_option("--format", upload->format, "jsonl or csv; without, by the file's ending")
      ->check(CLI::IsMember({"jsonl", "csv"}));
  command->add_option("--description", upload->description, "What it is, for people");
  command->add_option("--split-field", upload->split_field, "The field that names an item's split");
  AddList(*command, "--share", upload->shares, "A split drawn by content: SPLIT=PART (train=0.2)");
  command->callback([=, &global, &exit_code] { exit_code = Upload(*upload, global); });

  command = dataset->add_subcommand("list", "List data sets");
  command->callback([&global, &exit_code] { exit_code = List(global); });

  command = dataset->add_subcommand("show", "Show a data set and its first items");
  command->add_option("dataset", show->name, "NAME, or NAME@DIGEST for an older version")
      ->required();
  command->add_option("--split", show->split, "Items of this split alone");
  command->add_option("-n,--items", show->items, "How many items")->capture_default_str();
  command->callback([=, &global, &exit_code] { exit_code = Show(*show, global); });

  command = dataset->add_subcommand("delete", "Delete a data set, or one version (NAME@DIGEST)");
  command->add_option("dataset", show->name, "NAME or NAME@DIGEST")->required();
  command->callback([=, &global, &exit_code] { exit_code = Delete(show->name, global); });
}

}  // namespace troupe::client
