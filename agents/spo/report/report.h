// The report of an SPO task: a page of Markdown and the pictures that it shows, to be published as
// artifacts of the task. Stateless functions.
#pragma once

#include <string>
#include <vector>

#include "agents/report/publish.h"
#include "troupe/v1/spo.pb.h"

namespace troupe {

// The page is the first. What models wrote is quoted so that it is shown and not obeyed: no image,
// link or markup of it comes through.
std::vector<ReportFile> MakeSpoReport(const v1::SpoResult& result);

}  // namespace troupe
