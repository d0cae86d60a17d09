/* The entry point of shared objects that bring tools into a Troupe server, in plain C.
 *
 * A shared object named in the server's configuration ([tools] libraries) exports one function,
 * troupe_tools_v1, which adds its tools by the functions that the host gives it:
 *
 *   static void add(void* user, troupe_call* call, const char* arguments_json) { ... }
 *
 *   int troupe_tools_v1(const troupe_host* host, troupe_registration* registration) {
 *     troupe_tool tool = {sizeof tool, "add", "1", "Adds two numbers.", ARGUMENTS, NULL,
 *                         TROUPE_TOOL_READ_ONLY, 0, 0, add, (void*)host};
 *     return host->add_tool(registration, &tool);
 *   }
 *
 * All texts are UTF-8, end with a zero byte and are copied. The code runs in the server's process
 * and with all its rights: load what you trust. It is never unloaded. What is added to a struct
 * later is added at its end; `struct_size` tells what a side knows of.
 */
#ifndef TROUPE_TOOL_H
#define TROUPE_TOOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TROUPE_TOOL_READ_ONLY 1u      /* changes nothing */
#define TROUPE_TOOL_IDEMPOTENT 2u     /* repeating a call changes nothing more */
#define TROUPE_TOOL_DESTRUCTIVE 4u    /* may destroy what cannot be had again */
#define TROUPE_TOOL_NEEDS_APPROVAL 8u /* a person is asked before each call */

/* A call that is under way; lives until the tool's `call` returns. */
typedef struct troupe_call troupe_call;
/* What tools are added to; lives until troupe_tools_v1 returns. */
typedef struct troupe_registration troupe_registration;

typedef struct troupe_tool {
  size_t struct_size;           /* sizeof(troupe_tool) */
  const char* name;             /* [a-z][a-z0-9_.-]{0,63} */
  const char* version;          /* changes whenever the tool's meaning does */
  const char* description;      /* what an agent reads; its first line is what a selector reads */
  const char* arguments_schema; /* JSON Schema of an object */
  const char* result_schema;    /* JSON Schema of the value; NULL: anything */
  uint32_t flags;               /* TROUPE_TOOL_..., together */
  uint32_t max_concurrent;      /* calls at the same time; 0: no limit */
  double timeout_seconds;       /* of one call; 0: two minutes */
  /* Performs a call, on a thread of the server on which it may block; several at the same time.
   * `arguments_json` is valid by the schema. It tells what came of it by the host's functions and
   * returns; it should return within a second when the call is cancelled. */
  void (*call)(void* user, troupe_call* call, const char* arguments_json);
  void* user; /* given to `call` */
} troupe_tool;

/* What the server does for a tool. To be called while `call` runs, on its thread. */
typedef struct troupe_host {
  size_t struct_size; /* sizeof(troupe_host) as the server knows it */
  /* 0, or -1 for a tool that is none; the server's log says why. In troupe_tools_v1 alone. */
  int (*add_tool)(troupe_registration* registration, const troupe_tool* tool);

  /* The result's value, as JSON. -1 if it is not JSON. */
  int (*set_value)(troupe_call* call, const char* json);
  /* A part of what the agent sees; without any it sees the value. */
  void (*add_text)(troupe_call* call, const char* text);
  /* A picture: "image/png" or "image/jpeg". */
  void (*add_image)(troupe_call* call, const char* media_type, const void* data, size_t size);
  /* A file that becomes an artifact of the task. -1 if it could not be written. */
  int (*add_file)(troupe_call* call, const char* name, const char* description, const void* data,
                  size_t size);
  /* The call failed in a way that the agent should see and may mend. */
  void (*tell_error)(troupe_call* call, const char* message);
  /* The tool could not do its work. */
  void (*fail)(troupe_call* call, const char* message);

  /* A line for those who watch the task. */
  void (*progress)(troupe_call* call, const char* text);
  /* Not 0 when nobody waits for the call any more. */
  int (*cancelled)(const troupe_call* call);
  /* What a tool that draws at random starts from. */
  uint64_t (*seed)(const troupe_call* call);
} troupe_host;

/* What a shared object exports. Returns 0; anything else, and it is not loaded. `host` lives as
 * long as the process. */
int troupe_tools_v1(const troupe_host* host, troupe_registration* registration);

#ifdef __cplusplus
}
#endif

#endif
