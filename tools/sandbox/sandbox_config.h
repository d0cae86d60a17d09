// The limits of the sandbox in which agents' code runs.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct SandboxConfig {
  int memory_mb = 4096;     // of one cell: address space of a process, resident memory of all
  int processes = 64;       // of one task
  int file_mb = 2048;       // of one file
  int workspace_mb = 4096;  // of one state's folder
  int task_mb = 16384;      // of all folders of a task's states together
  int output_kb = 256;      // of text that one cell prints; more is counted and cut
  int figures = 20;         // of one cell
  int idle_states = 16;     // of one task that keep a process, beside the newest of each kernel
  absl::Duration cell_time = absl::Minutes(10);  // of one cell
  absl::Duration cpu_time = absl::Minutes(20);   // of one process
  std::string python = "/usr/bin/python3";
  std::string r_home = "/usr/lib/R";  // the folder that R.home() names; it holds lib/libR.so
  std::string bubblewrap = "/usr/bin/bwrap";
  std::vector<std::string> preload = {"numpy", "pandas", "anndata", "matplotlib", "sklearn"};
  std::vector<std::string> extra_folders;  // shown read-only in the sandbox, at the same place
};

}  // namespace troupe
