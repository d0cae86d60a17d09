#include "server/store/schema.h"

#include <fmt/format.h>

#include <array>

#include "tools/base/error.h"
#include "tools/base/status_macros.h"

namespace troupe {
namespace {

// Times are microseconds since 1970, hashes are 32 bytes, JSON and protobuf messages are opaque.
constexpr std::array<const char*, 10> kMigrations = {R"sql(
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,             -- the id in tasks/{id}
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  state INTEGER NOT NULL,                -- troupe.v1.Task.State
  spec BLOB NOT NULL,                    -- troupe.v1.TaskSpec
  request_id TEXT,                       -- NULL: the client gave none
  request_hash BLOB,
  seed INTEGER NOT NULL,
  create_time INTEGER NOT NULL,
  start_time INTEGER NOT NULL DEFAULT 0,
  update_time INTEGER NOT NULL,
  end_time INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  result BLOB,                           -- troupe.v1.TaskResult
  usage BLOB,                            -- troupe.v1.Usage, when it ended
  forked_from TEXT NOT NULL DEFAULT '',
  replay_of TEXT NOT NULL DEFAULT '',
  revision INTEGER NOT NULL DEFAULT 1    -- the etag
);
CREATE UNIQUE INDEX tasks_request ON tasks (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX tasks_created ON tasks (create_time, id);
CREATE INDEX tasks_unfinished ON tasks (state) WHERE end_time = 0;

CREATE TABLE task_labels (
  task INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (task, key)
) WITHOUT ROWID;

CREATE TABLE spans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task INTEGER NOT NULL,
  begin_sequence INTEGER NOT NULL,
  end_sequence INTEGER NOT NULL DEFAULT 0,
  path TEXT NOT NULL,
  kind INTEGER NOT NULL,
  type TEXT NOT NULL,
  title TEXT NOT NULL,
  state INTEGER NOT NULL,
  begin_time INTEGER NOT NULL,
  end_time INTEGER NOT NULL DEFAULT 0,
  request BLOB,
  result BLOB,
  error TEXT NOT NULL DEFAULT '',
  attributes TEXT NOT NULL DEFAULT '{}',
  model TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL DEFAULT '',
  tool TEXT NOT NULL DEFAULT '',
  model_calls INTEGER NOT NULL DEFAULT 0,
  tool_calls INTEGER NOT NULL DEFAULT 0,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  cached_input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  cost_microusd INTEGER NOT NULL DEFAULT 0,
  model_microseconds INTEGER NOT NULL DEFAULT 0,
  tool_microseconds INTEGER NOT NULL DEFAULT 0,
  estimated INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX spans_begin ON spans (task, begin_sequence);
CREATE INDEX spans_end ON spans (task, end_sequence) WHERE end_sequence > 0;

CREATE TABLE events (
  task INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  type INTEGER NOT NULL,
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (task, sequence)
) WITHOUT ROWID;

CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  encoding INTEGER NOT NULL,             -- 0 as it is, 1 zstd
  size INTEGER NOT NULL,                 -- before encoding
  bytes BLOB NOT NULL
);
CREATE TABLE content_uses (
  task INTEGER NOT NULL,
  content INTEGER NOT NULL,
  PRIMARY KEY (task, content)
) WITHOUT ROWID;
CREATE INDEX content_users ON content_uses (content);

CREATE VIRTUAL TABLE span_search USING fts5 (text, tokenize = 'unicode61');

CREATE TABLE prompt_versions (
  prompt TEXT NOT NULL,
  version INTEGER NOT NULL,
  record BLOB NOT NULL,                  -- troupe.v1.PromptVersion
  PRIMARY KEY (prompt, version)
) WITHOUT ROWID;
CREATE TABLE prompt_promotions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prompt TEXT NOT NULL,
  version INTEGER NOT NULL,
  time INTEGER NOT NULL,
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL
);
CREATE INDEX prompt_promotions_latest ON prompt_promotions (prompt, id);
)sql",
                                                     // Fewer pages to write for a call: uses are
                                                     // counted, span ids need no table.
                                                     R"sql(
ALTER TABLE contents ADD COLUMN uses INTEGER NOT NULL DEFAULT 1;  -- rows of content_uses
UPDATE contents SET uses = (SELECT count(*) FROM content_uses WHERE content = contents.id);
DROP INDEX content_users;

ALTER TABLE spans RENAME TO spans_1;
CREATE TABLE spans (
  id INTEGER PRIMARY KEY,
  task INTEGER NOT NULL,
  begin_sequence INTEGER NOT NULL,
  end_sequence INTEGER NOT NULL DEFAULT 0,
  path TEXT NOT NULL,
  kind INTEGER NOT NULL,
  type TEXT NOT NULL,
  title TEXT NOT NULL,
  state INTEGER NOT NULL,
  begin_time INTEGER NOT NULL,
  end_time INTEGER NOT NULL DEFAULT 0,
  request BLOB,
  result BLOB,
  error TEXT NOT NULL DEFAULT '',
  attributes TEXT NOT NULL DEFAULT '{}',
  model TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL DEFAULT '',
  tool TEXT NOT NULL DEFAULT '',
  model_calls INTEGER NOT NULL DEFAULT 0,
  tool_calls INTEGER NOT NULL DEFAULT 0,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  cached_input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  reasoning_tokens INTEGER NOT NULL DEFAULT 0,
  cost_microusd INTEGER NOT NULL DEFAULT 0,
  model_microseconds INTEGER NOT NULL DEFAULT 0,
  tool_microseconds INTEGER NOT NULL DEFAULT 0,
  estimated INTEGER NOT NULL DEFAULT 0
);
INSERT INTO spans SELECT * FROM spans_1;
DROP TABLE spans_1;
CREATE UNIQUE INDEX spans_begin ON spans (task, begin_sequence);
CREATE INDEX spans_end ON spans (task, end_sequence) WHERE end_sequence > 0;
)sql",
                                                     // Rows are written once: an end that was
                                                     // written into its span's row made that grow,
                                                     // which moved its neighbours to other pages.
                                                     R"sql(
CREATE TABLE span_ends (
  span INTEGER PRIMARY KEY,              -- spans.id
  task INTEGER NOT NULL,
  end_sequence INTEGER NOT NULL,
  end_time INTEGER NOT NULL,
  state INTEGER NOT NULL,
  request BLOB,                          -- NULL: the span's own; else what was asked in the end
  request_root BLOB,
  result BLOB,
  result_root BLOB,                      -- the content itself where it is small; NULL: in contents
  error TEXT,
  attributes TEXT,                       -- all, those of the beginning included
  model TEXT,
  model_calls INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_microusd INTEGER NOT NULL,
  model_microseconds INTEGER NOT NULL,
  tool_microseconds INTEGER NOT NULL,
  estimated INTEGER NOT NULL
);
INSERT INTO span_ends SELECT id, task, end_sequence, end_time, state, NULL, NULL, result, NULL,
  error, attributes, model, model_calls, tool_calls, input_tokens, cached_input_tokens,
  output_tokens, reasoning_tokens, cost_microusd, model_microseconds, tool_microseconds, estimated
  FROM spans WHERE end_sequence > 0;
CREATE UNIQUE INDEX span_ends_sequence ON span_ends (task, end_sequence);

ALTER TABLE spans RENAME TO spans_2;
CREATE TABLE spans (
  id INTEGER PRIMARY KEY,
  task INTEGER NOT NULL,
  begin_sequence INTEGER NOT NULL,
  path TEXT NOT NULL,
  kind INTEGER NOT NULL,
  type TEXT NOT NULL,
  title TEXT NOT NULL,
  begin_time INTEGER NOT NULL,
  request BLOB,                          -- hash of the content that the request starts from
  request_root BLOB,                     -- that content where it is small; NULL: in contents
  attributes TEXT,
  model TEXT,
  role TEXT,
  tool TEXT
);
INSERT INTO spans SELECT id, task, begin_sequence, path, kind, type, title, begin_time, request,
  NULL, attributes, model, role, tool FROM spans_2;
DROP TABLE spans_2;
CREATE UNIQUE INDEX spans_begin ON spans (task, begin_sequence);
)sql",
                                                     // Less room for what is stored twice: the
                                                     // index keeps no positions, and its text and
                                                     // the tasks' rows are compressed.
                                                     R"sql(
CREATE TABLE span_texts (
  span INTEGER PRIMARY KEY,              -- spans.id
  prefix INTEGER,                        -- contents.id: a part of what the text is of, or NULL
  size INTEGER NOT NULL,                 -- before compression by zstd; 0: the text as it is
  bytes BLOB NOT NULL                    -- what it has in common with the prefix left out
);
INSERT INTO span_texts SELECT rowid, NULL, 0, CAST(text AS BLOB) FROM span_search;
DROP TABLE span_search;
CREATE VIEW span_search_source AS
  SELECT t.span AS span,
         troupe_unpack(t.size, t.bytes, c.encoding * c.size, c.bytes) AS text
  FROM span_texts t LEFT JOIN contents c ON c.id = t.prefix;
CREATE VIRTUAL TABLE span_search USING fts5 (text, content = 'span_search_source',
  content_rowid = 'span', detail = 'none', tokenize = 'unicode61');
INSERT INTO span_search (span_search) VALUES ('rebuild');

ALTER TABLE tasks ADD COLUMN spec_size INTEGER NOT NULL DEFAULT 0;    -- as span_texts.size
ALTER TABLE tasks ADD COLUMN result_size INTEGER NOT NULL DEFAULT 0;  -- with the spec as prefix
)sql",
                                                     // Where a version came from and why it was
                                                     // promoted, as columns; prompts of users.
                                                     R"sql(
CREATE TABLE prompts (                   -- those that users made
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  variables TEXT NOT NULL,               -- JSON: a list of name, description, type, required
  create_time INTEGER NOT NULL
) WITHOUT ROWID;

ALTER TABLE prompt_versions RENAME TO prompt_versions_4;
CREATE TABLE prompt_versions (
  id INTEGER PRIMARY KEY,
  prompt TEXT NOT NULL,
  version INTEGER NOT NULL,
  template TEXT NOT NULL,
  create_time INTEGER NOT NULL,
  parent_version INTEGER NOT NULL,       -- 0: none
  origin TEXT NOT NULL,                  -- who made it, in words
  note TEXT NOT NULL,
  task TEXT NOT NULL DEFAULT '',         -- tasks/{id} that made it
  evaluation TEXT NOT NULL DEFAULT ''    -- tasks/{id} whose result says how good it is
);
INSERT INTO prompt_versions (prompt, version, template, create_time, parent_version, origin, note)
  SELECT prompt, version, json_extract(v, '$.text'), json_extract(v, '$.create_time'),
    json_extract(v, '$.parent_version'), json_extract(v, '$.origin'), json_extract(v, '$.note')
  FROM (SELECT prompt, version, CAST(record AS TEXT) AS v FROM prompt_versions_4
        ORDER BY prompt, version);
DROP TABLE prompt_versions_4;
CREATE UNIQUE INDEX prompt_versions_number ON prompt_versions (prompt, version);

ALTER TABLE prompt_promotions ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;  -- 2: a rollback
ALTER TABLE prompt_promotions ADD COLUMN win BLOB NOT NULL DEFAULT x'';   -- troupe.v1.PromptWin
ALTER TABLE prompt_promotions ADD COLUMN without_evidence INTEGER NOT NULL DEFAULT 0;
)sql",
                                                     // Data sets, by content.
                                                     R"sql(
CREATE TABLE dataset_contents (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL,                  -- of the items and their splits
  complete INTEGER NOT NULL DEFAULT 0,   -- whether all pages are there
  items INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,           -- of the items as JSON
  fields TEXT NOT NULL,                  -- names, a JSON array
  splits TEXT NOT NULL,                  -- [{"name", "items"}]
  item_splits_size INTEGER NOT NULL,     -- as span_texts.size
  item_splits BLOB NOT NULL              -- a byte for each item: 0 none, else its place in splits
);
CREATE UNIQUE INDEX dataset_contents_digest ON dataset_contents (digest) WHERE complete = 1;
CREATE TABLE dataset_pages (
  content INTEGER NOT NULL,              -- dataset_contents.id
  first INTEGER NOT NULL,                -- number of its first item, from 1
  size INTEGER NOT NULL,                 -- as span_texts.size
  bytes BLOB NOT NULL,                   -- a JSON array of items
  PRIMARY KEY (content, first)
) WITHOUT ROWID;
CREATE TABLE datasets (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,                    -- the {dataset} of datasets/{dataset}
  content INTEGER NOT NULL,              -- dataset_contents.id
  description TEXT NOT NULL,
  upload_time INTEGER NOT NULL,
  UNIQUE (name, content)
);
CREATE INDEX datasets_content ON datasets (content);
)sql",
                                                     R"sql(
CREATE TABLE optimizers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,             -- the {optimizer} of optimizers/{optimizer}
  message BLOB NOT NULL,                 -- troupe.v1.Optimizer
  state TEXT NOT NULL                    -- what the next step is to know, JSON
);
CREATE TABLE optimizer_steps (
  optimizer INTEGER NOT NULL,            -- optimizers.id
  number INTEGER NOT NULL,               -- from 1
  request_id TEXT,                       -- NULL: the client gave none
  request_hash BLOB,
  task TEXT NOT NULL,                    -- the id in tasks/{id}; '': none
  running INTEGER NOT NULL,
  message BLOB NOT NULL,                 -- troupe.v1.OptimizerStep
  PRIMARY KEY (optimizer, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX optimizer_steps_request ON optimizer_steps (optimizer, request_id)
  WHERE request_id IS NOT NULL;
CREATE UNIQUE INDEX optimizer_steps_running ON optimizer_steps (optimizer) WHERE running = 1;
)sql",
                                                     // Fewer and smaller rows for a call: which
                                                     // contents a task uses is told by its spans;
                                                     // of hashes the index has half, as each takes
                                                     // a page of its own; what two
                                                     // messages say is no text of its own. Search
                                                     // has texts in the order in which they came.
                                                     R"sql(
ALTER TABLE spans ADD COLUMN contents TEXT;      -- contents.id that came with it, a JSON array
ALTER TABLE span_ends ADD COLUMN contents TEXT;  -- the same
ALTER TABLE span_ends ADD COLUMN text INTEGER;   -- span_texts.id
CREATE VIEW content_references AS        -- contents.uses counts its rows
  SELECT s.task AS task, used.value AS content FROM spans s, json_each(s.contents) used
  UNION ALL
  SELECT e.task, used.value FROM span_ends e, json_each(e.contents) used
  UNION ALL
  SELECT task, content FROM content_uses;  -- what came without a span, and what forks share

DROP TABLE span_search;
DROP VIEW span_search_source;
ALTER TABLE contents RENAME TO contents_7;
CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,                    -- no two have the same
  encoding INTEGER NOT NULL,             -- 0 as it is, 1 zstd
  size INTEGER NOT NULL,                 -- before encoding
  uses INTEGER NOT NULL DEFAULT 1,       -- rows of content_references
  bytes BLOB NOT NULL
);
INSERT INTO contents SELECT id, hash, encoding, size, uses, bytes FROM contents_7;
DROP TABLE contents_7;
CREATE UNIQUE INDEX contents_hash ON contents (substr(hash, 1, 16));

ALTER TABLE span_texts RENAME TO span_texts_7;
CREATE TABLE span_texts (
  id INTEGER PRIMARY KEY,                -- later ends have greater ones
  span INTEGER NOT NULL,                 -- spans.id
  prefix INTEGER,                        -- contents.id: a part of what the text is of, or NULL
  size INTEGER NOT NULL,                 -- before compression by zstd; 0: the text as it is
  bytes BLOB,                            -- what it has in common with the prefix left out
  reply INTEGER                          -- contents.id of a message. The text is what `prefix`, a
                                         -- message too, and it say; bytes is NULL
);
INSERT INTO span_texts SELECT span, span, prefix, size, bytes, NULL FROM span_texts_7;
UPDATE span_ends SET text = span WHERE span IN (SELECT span FROM span_texts_7);
DROP TABLE span_texts_7;
CREATE VIEW span_search_source AS
  SELECT t.id AS id, t.span AS span,
         iif(t.bytes IS NULL,
             troupe_said(a.encoding * a.size, a.bytes, b.encoding * b.size, b.bytes),
             troupe_unpack(t.size, t.bytes, a.encoding * a.size, a.bytes)) AS text
  FROM span_texts t LEFT JOIN contents a ON a.id = t.prefix LEFT JOIN contents b ON b.id = t.reply;
CREATE VIRTUAL TABLE span_search USING fts5 (text, content = 'span_search_source',
  content_rowid = 'id', detail = 'none', tokenize = 'unicode61');
INSERT INTO span_search (span_search) VALUES ('rebuild');
)sql",
                                                     // More parts of the index are merged at once,
                                                     // and so less often.
                                                     R"sql(
INSERT INTO span_search (span_search, rank) VALUES ('automerge', 8);
)sql",
                                                     // Hashes are written many at a time: each
                                                     // lies on another page.
                                                     R"sql(
CREATE TABLE content_hashes (
  half BLOB PRIMARY KEY,                 -- the first 16 bytes of contents.hash
  content INTEGER NOT NULL               -- contents.id
) WITHOUT ROWID;
INSERT INTO content_hashes SELECT substr(hash, 1, 16), id FROM contents ORDER BY 1;
DROP INDEX contents_hash;
CREATE TABLE content_index (
  last INTEGER NOT NULL                  -- contents.id up to which content_hashes has all
);
INSERT INTO content_index SELECT ifnull(max(id), 0) FROM contents;
)sql"};

absl::StatusOr<int64_t> UserVersion(Connection& connection) {
  ASSIGN_OR_RETURN(Statement statement, connection.Prepare("PRAGMA user_version"));
  RETURN_IF_ERROR(statement.Step().status());
  return statement.Int(0);
}

}  // namespace

int SchemaVersion() { return static_cast<int>(kMigrations.size()); }

absl::Status Migrate(Connection& connection) { return MigrateTo(connection, SchemaVersion()); }

absl::Status MigrateTo(Connection& connection, int target) {
  ASSIGN_OR_RETURN(const int64_t found, UserVersion(connection));
  if (found > SchemaVersion()) {
    return Error(Reason::kStoreFailed,
                 fmt::format("the store has schema version {}, this program knows {} at most: run "
                             "the newer program that wrote it",
                             found, SchemaVersion()));
  }
  for (int64_t version = found; version < target; ++version) {
    const absl::Status migrated =
        connection.Execute(fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT;",
                                       kMigrations[version], version + 1));
    if (!migrated.ok()) {
      connection.Execute("ROLLBACK").IgnoreError();
      return Annotate(migrated, fmt::format("migrating the store to version {}", version + 1));
    }
  }
  return absl::OkStatus();
}

}  // namespace troupe
