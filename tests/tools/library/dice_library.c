/* A shared object with tools, in plain C: see "A shared object" in tools/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/library/troupe_tool.h"

static const troupe_host* host;

static void throw_die(void* user, troupe_call* call, const char* arguments_json) {
  const char* sides = strstr(arguments_json, "\"sides\":");
  char value[64];
  (void)user;
  snprintf(value, sizeof value, "%d",
           1 + (int)(host->seed(call) % (uint64_t)strtoul(sides + 8, NULL, 10)));
  host->progress(call, "rolling");
  host->set_value(call, value);
}

/* Goes wrong as it is told. */
static void misbehave(void* user, troupe_call* call, const char* arguments_json) {
  (void)user;
  if (strstr(arguments_json, "wait") != NULL) {
    while (!host->cancelled(call)) {
    }
  } else if (strstr(arguments_json, "tell") != NULL) {
    host->tell_error(call, "say something else");
  } else if (strstr(arguments_json, "file") != NULL) {
    host->add_file(call, "made.txt", "a file", "made in C", 9);
  } else {
    host->fail(call, "out of order");
  }
}

int troupe_tools_v1(const troupe_host* given, troupe_registration* registration) {
  const troupe_tool die = {sizeof die, "die", "1", "Throws a die.",
                           "{\"type\": \"object\", \"required\": [\"sides\"], \"properties\": "
                           "{\"sides\": {\"type\": \"integer\", \"minimum\": 1}}}",
                           "{\"type\": \"integer\"}", TROUPE_TOOL_READ_ONLY, 0, 0, throw_die, NULL};
  const troupe_tool bad = {sizeof bad, "misbehave", "1", "Goes wrong.", "{\"type\": \"object\"}",
                           NULL, 0, 0, 0, misbehave, NULL};
  host = given;
  return host->add_tool(registration, &die) || host->add_tool(registration, &bad);
}
