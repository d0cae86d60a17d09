// The JSON Schemas of the replies that CellAgent's roles give. Stateless functions.
#pragma once

#include "agents/models/chat.h"

namespace troupe {

ReplySchema PlanSchema(const Json& kinds, int max_steps);
ReplySchema SelectionSchema(const Json& tools, int max_approaches);
ReplySchema CodeSchema();
ReplySchema VerdictSchema();
ReplySchema ConsensusSchema();
ReplySchema ReportSchema();

}  // namespace troupe
