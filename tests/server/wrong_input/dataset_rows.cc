// Wrong values in requests of the DatasetService.
#include "tests/server/wrong_input/rows.h"

namespace troupe {

std::vector<WrongInputRow> WrongDatasetRows() {
  return {
      {"CreateDataset", "header", R"({"chunk": "e30="})"},
      {"CreateDataset", "header.dataset_id", R"({"header": {"dataset_id": "A"}})"},
      {"CreateDataset", "header.format", R"({"header": {"dataset_id": "a"}})"},
      {"CreateDataset", "header.description",
       R"({"header": {"dataset_id": "a", "format": 1, "description": "x*1001"}})"},
      {"CreateDataset", "header.shares",
       R"({"header": {"dataset_id": "a", "format": 1, "split_field": "s",
           "shares": [{"split": "a", "share": 1}]}})"},
      {"CreateDataset", "header.shares[0].split",
       R"({"header": {"dataset_id": "a", "format": 1, "shares": [{"split": "-", "share": 1}]}})"},
      {"CreateDataset", "header.shares[0].share",
       R"({"header": {"dataset_id": "a", "format": 1, "shares": [{"split": "a", "share": 2}]}})"},
      {"CreateDataset", "chunk",
       R"({"header": {"dataset_id": "a", "format": 1}, "chunk": "e30="})"},
      {"GetDataset", "name", R"({"name": "d"})"},
      {"ListDatasets", "page_size", R"({"page_size": -1})"},
      {"ListDatasets", "page_token", R"({"page_token": "x"})", grpc::StatusCode::INVALID_ARGUMENT,
       "PAGE_TOKEN_INVALID"},
      {"ListDatasetItems", "parent", R"({"parent": "d"})"},
      {"ListDatasetItems", "split", R"({"parent": "datasets/d", "split": "none"})"},
      {"ListDatasetItems", "page_size", R"({"parent": "datasets/d", "page_size": -1})"},
      {"ListDatasetItems", "page_token", R"({"parent": "datasets/d", "page_token": "x"})",
       grpc::StatusCode::INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"},
      {"DeleteDataset", "name", R"({"name": "datasets/d@1"})"},
  };
}

}  // namespace troupe
