#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <set>

#include "tests/support/run_async.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_folder.h"
#include "tools/base/error.h"
#include "tools/base/steady_time.h"
#include "tools/room.h"
#include "tools/sandbox/kernel_tools.h"
#include "tools/sandbox/sandbox.h"

namespace troupe {
namespace {

class PythonKernelTest : public testing::Test {
 protected:
  PythonKernelTest() {
    config_.preload = {"numpy", "matplotlib"};
    config_.memory_mb = 1024;
    config_.processes = 20;
    config_.workspace_mb = 64;
    config_.task_mb = 100;
    config_.output_kb = 64;
    Restart();
    context_.task_id = "t";
    context_.path = "cell";
    context_.workspace.root = folder_.path() / "task";
    context_.deadline = SteadyNow() + absl::Minutes(2);
    std::filesystem::create_directories(context_.workspace.inputs());
    std::ofstream(context_.workspace.inputs() / "data.txt") << "42";
  }

  // What is called from now on belongs to a room of the task.
  void EnterRoom(const Workspace& task, const std::string& room) {
    context_.room = room;
    context_.task_workspace = task;
    context_.workspace = RoomIn(task, room);
    ASSERT_TRUE(PrepareRoom(task, room).ok());
  }

  // A new server: nothing is left of the old one's processes.
  void Restart() {
    tool_.reset();
    host_ = std::make_shared<KernelHost>(
        config_, std::filesystem::path(TROUPE_SOURCE_DIR) / "tools/sandbox/kernel",
        std::vector<SandboxMount>());
    tool_ = std::make_unique<KernelTool>("python", host_);
  }

  ToolCall Cell(std::string state, std::string from, std::string code) {
    ToolCall call;
    call.arguments = {{"state", state}, {"from", from}, {"code", code}};
    call.context = context_;
    return call;
  }

  absl::StatusOr<ToolResult> Run(std::string state, std::string from, std::string code) {
    return RunToEnd(tool_->Call(Cell(state, from, code)));
  }

  static std::string Text(const ToolResult& result) {
    std::string text;
    for (const ToolContent& part : result.content) {
      if (const auto* shown = std::get_if<ToolText>(&part)) text += shown->text;
    }
    return text;
  }

  std::string Output(std::string from, std::string code) {
    auto result = Run("look" + std::to_string(++looks_), from, code);
    return result.ok() ? Text(*result) : std::string(MessageOf(result.status()));
  }

  int looks_ = 0;
  TempFolder folder_;
  SandboxConfig config_;
  ToolContext context_;
  std::shared_ptr<KernelHost> host_;
  std::unique_ptr<KernelTool> tool_;
};

TEST_F(PythonKernelTest, ShowsWhatACellPrintsReturnsAndPlots) {
  auto result =
      Run("a", "", "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('hello')\n6*7");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->is_error) << Text(*result);
  EXPECT_NE(Text(*result).find("hello"), std::string::npos);
  EXPECT_NE(Text(*result).find("42"), std::string::npos);
  int images = 0;
  for (const ToolContent& part : result->content) {
    const auto* image = std::get_if<ToolImage>(&part);
    if (image == nullptr) continue;
    ++images;
    EXPECT_EQ(image->bytes.substr(1, 3), "PNG");
  }
  EXPECT_EQ(images, 1);
}

TEST_F(PythonKernelTest, SilentCellsLookTheSame) {
  for (const char* const state : {"one", "two"}) {
    const auto result = Run(state, "", "x = 5");
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(Text(*result), "(nothing)\n");
  }
}

TEST_F(PythonKernelTest, AlternativesDoNotSeeEachOther) {
  ASSERT_FALSE(Run("base", "", "x = [1]\nopen('note', 'w').write('base')")->is_error);
  ASSERT_FALSE(Run("left", "base", "x.append(2)\nopen('note', 'w').write('left')")->is_error);
  ASSERT_FALSE(Run("right", "base", "x.append(3)")->is_error);
  EXPECT_EQ(Output("left", "print(x, open('note').read())"), "[1, 2] left\n");
  EXPECT_EQ(Output("right", "print(x, open('note').read())"), "[1, 3] base\n");
  EXPECT_EQ(Output("base", "print(x, open('note').read())"), "[1] base\n");
}

TEST_F(PythonKernelTest, RoomsShareNoStatesAndNoNames) {
  const Workspace task = context_.workspace;
  const auto enter = [&](const std::string& room) { EnterRoom(task, room); };
  const auto go_on = [&](const std::string& path, const std::string& code) {
    ToolCall call;
    context_.path = path;
    call.arguments = {{"code", code}};
    call.context = context_;
    const auto result = RunToEnd(tool_->Call(std::move(call)));
    return result.ok() ? Text(*result) : std::string(MessageOf(result.status()));
  };
  ASSERT_FALSE(Run("base", "", "x = 'task'")->is_error);
  for (const char* const room : {"one", "two"}) {
    enter(room);
    const auto made = Run("base", "", fmt::format("x = '{}'\nopen('note', 'w').write(x)", room));
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_FALSE(made->is_error) << Text(*made);
    EXPECT_EQ(JsonString(made->value, "state"), "base");
  }
  enter("one");
  EXPECT_EQ(go_on("a", "import os\nprint(x, open('note').read(), open('inputs/data.txt').read())"),
            "one one 42\n");
  enter("two");
  EXPECT_EQ(go_on("b", "print(x, open('note').read())"), "two two\n");
  enter("three");
  EXPECT_NE(go_on("c", "print(x)").find("NameError"), std::string::npos);  // it is empty
  EXPECT_EQ(Output("base", "print(x)"), "there is no state 'base'");
  context_.room.clear();
  context_.workspace = task;
  EXPECT_EQ(go_on("d", "print(x)"), "task\n");
  // A room that is left is gone, and its names are free.
  tool_->ForgetRoom("t", "one");
  enter("one");
  EXPECT_EQ(Output("base", "print(x)"), "there is no state 'base'");
  ASSERT_FALSE(Run("base", "", "x = 'again'")->is_error);
  EXPECT_EQ(Output("base", "print(x)"), "again\n");
}

TEST_F(PythonKernelTest, CodeInARoomSeesNoOtherRoom) {
  const Workspace task = context_.workspace;
  const auto enter = [&](const std::string& room) { EnterRoom(task, room); };
  // Everything that code can find, and since when its sandbox is there.
  const std::string look =
      "import os, glob\n"
      "print(sorted({os.path.basename(f) for top in ('/workspace', '/inputs', '/tmp', '/dev/shm', "
      "'/home')\n"
      "              for f in glob.glob(top + '/**/secret*', recursive=True)}),\n"
      "      len(os.listdir('/workspace')), open('/inputs/data.txt').read(),\n"
      "      open('/proc/1/stat').read().rsplit(') ')[1].split()[19])";
  const auto write = [](const std::string& name) {
    return fmt::format(
        "import os\nos.makedirs('/tmp/a/b', exist_ok=True)\n"
        "for f in ('', '/tmp/a/b/', '/dev/shm/'): open(f + 'secret-{}', 'w').write('x')",
        name);
  };
  ASSERT_FALSE(Run("base", "", write("task"))->is_error);
  enter("one");
  ASSERT_FALSE(Run("base", "", write("one"))->is_error);
  const std::string since = Output("base", look);
  EXPECT_EQ(since.substr(0, 18), "['secret-one'] 2 4") << since;
  enter("two");
  const std::string seen = Output("", look);
  EXPECT_EQ(seen.substr(0, 8), "[] 1 42 ") << seen;
  // A room that comes later has the sandbox of one that was left, and nothing of what was in it.
  std::set<std::string> left = {since.substr(since.rfind(' '))};
  tool_->ForgetRoom("t", "one");
  bool handed_on = false;
  for (int i = 3; i < 30 && !handed_on; ++i) {  // it takes a moment to clean it
    const std::string room = std::to_string(i);
    enter(room);
    const std::string next = Output("", look);
    EXPECT_EQ(next.substr(0, 8), "[] 1 42 ") << next;
    ASSERT_FALSE(Run("base", "", write(room))->is_error);
    // Its files are where tools look for them.
    EXPECT_FALSE(std::filesystem::is_empty(RoomIn(task, room).states()));
    handed_on = !left.insert(next.substr(next.rfind(' '))).second;
    tool_->ForgetRoom("t", room);
  }
  EXPECT_TRUE(handed_on);
}

TEST_F(PythonKernelTest, DrawsOnFromWhereTheParentStopped) {
  const std::string draw = "import random, numpy\nprint(random.random(), numpy.random.rand())";
  const auto first = Run("one", "", draw);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(Output("one", draw), Text(*first));
  EXPECT_EQ(Output("one", draw), Output("one", draw));
  Restart();
  const auto again = Run("one", "", draw);
  EXPECT_EQ(Text(*again), Text(*first)) << "a task's random numbers are its own, each time";
}

TEST_F(PythonKernelTest, FailedCellLeavesNothingBehind) {
  ASSERT_FALSE(Run("base", "", "x = 1")->is_error);
  auto failed =
      Run("bad", "base", "x = 2\nopen('junk', 'w').write('j')\nraise ValueError('no good')");
  ASSERT_TRUE(failed.ok());
  EXPECT_TRUE(failed->is_error);
  EXPECT_NE(Text(*failed).find("no good"), std::string::npos);
  EXPECT_EQ(Output("base", "import os\nprint(x, os.path.exists('junk'))"), "1 False\n");
  EXPECT_EQ(Run("more", "bad", "1").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PythonKernelTest, RebuildsStateAfterRestart) {
  const ToolCall first = Cell("one", "", "x = 20");
  const ToolCall second = Cell("two", "one", "x += 1\nopen('made', 'w').write('here')");
  const auto one = RunToEnd(tool_->Call(first));
  const auto two = RunToEnd(tool_->Call(second));
  ASSERT_TRUE(one.ok() && two.ok());
  Restart();
  tool_->Recall(first, *one);
  tool_->Recall(second, *two);
  EXPECT_EQ(Output("two", "print(2 * x, open('made').read())"), "42 here\n");
}

// Cells that do not say where they start from ran side by side; they are recalled in whichever
// order the task repeats them.
TEST_F(PythonKernelTest, RecallsWhereEachCellStartedAndWhichWasLast) {
  const auto cell = [&](const std::string& state, const std::string& code) {
    ToolCall call = Cell(state, "", code);
    call.arguments.erase("from");
    return call;
  };
  const ToolCall base = cell("base", "x = 1");
  const ToolCall left = cell("left", "x += 10");
  const ToolCall right = cell("right", "x += 100");
  const auto based = RunToEnd(tool_->Call(base));
  ToolCall right_now = right;
  const auto righted = RunToEnd(tool_->Call(std::move(right_now)));
  ToolCall from_base = Cell("left", "base", "x += 10");  // as if both had begun at once
  const auto lefted = RunToEnd(tool_->Call(std::move(from_base)));
  ASSERT_TRUE(based.ok() && righted.ok() && lefted.ok());
  Restart();
  tool_->Recall(left, *lefted);
  tool_->Recall(base, *based);
  tool_->Recall(right, *righted);
  EXPECT_EQ(Output("right", "print(x)"), "101\n");
  EXPECT_EQ(Output("left", "print(x)"), "11\n");
  Restart();
  const auto recall = [&](ToolCall call, const absl::StatusOr<ToolResult>& result, int64_t end) {
    call.context.recorded_end = end;
    tool_->Recall(call, *result);
  };
  recall(base, based, 2);
  recall(left, lefted, 6);  // which ended last
  recall(right, righted, 4);
  const auto head = RunToEnd(tool_->Call(cell("look", "print(x)")));
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(Text(*head), "11\n");
}

TEST_F(PythonKernelTest, CrashIsAnErrorAndOtherStatesLiveOn) {
  ASSERT_FALSE(Run("base", "", "x = 5")->is_error);
  for (const char* code : {"import os; os._exit(3)", "import ctypes; ctypes.string_at(0)",
                           "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"}) {
    auto crashed = Run("crash", "base", code);
    ASSERT_TRUE(crashed.ok()) << crashed.status();
    EXPECT_TRUE(crashed->is_error) << code;
    EXPECT_EQ(Output("base", "print(x)"), "5\n") << code;
  }
}

TEST_F(PythonKernelTest, KillingAllOthersOnlyCostsARebuild) {
  ASSERT_FALSE(Run("base", "", "x = 5")->is_error);
  // Whether the killer itself outlives the rest is a race that it may win.
  ASSERT_TRUE(Run("killer", "base", "import os; os.kill(os.getppid(), 9); os.kill(-1, 9)").ok());
  EXPECT_EQ(Output("base", "print(x)"), "5\n");
}

TEST_F(PythonKernelTest, RunsACellAgainThatAnEarlierLifeHadBegun) {
  ASSERT_FALSE(Run("one", "", "open('half', 'w').write('x')")->is_error);
  Restart();  // the result was lost: nothing is recalled
  EXPECT_FALSE(Run("one", "", "import os\nassert not os.path.exists('half')")->is_error);
  EXPECT_EQ(Run("one", "", "1").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(PythonKernelTest, HasNoNetworkAndSeesNothingOutside) {
  std::ofstream(folder_.path() / "secret") << "secret";
  EXPECT_NE(
      Output("", "import socket\nsocket.create_connection(('127.0.0.1', 80), 2)").find("Error"),
      std::string::npos);
  const std::string secret = (folder_.path() / "secret").string();
  EXPECT_NE(Output("", "open('" + secret + "')").find("FileNotFoundError"), std::string::npos);
  EXPECT_NE(Output("", "open('/usr/bin/x', 'w')").find("Error"), std::string::npos);
  EXPECT_NE(Output("", "open('inputs/data.txt', 'w')").find("Error"), std::string::npos);
  EXPECT_EQ(Output("", "print(open('inputs/data.txt').read())"), "42\n");
  EXPECT_EQ(Output("", "import os\nprint(os.path.exists('/root'), os.path.exists('/home'))"),
            "False False\n");
}

TEST_F(PythonKernelTest, CutsHugeOutput) {
  auto result = Run("big", "", "for i in range(50):\n    print('x' * 1000000)");
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->is_error);
  EXPECT_LT(Text(*result).size(), 200 * 1024u);
  EXPECT_NE(Text(*result).find("left out"), std::string::npos);
  auto low_level =
      Run("big2", "", "import os\nfor i in range(50):\n    os.write(1, b'y' * 1000000)");
  ASSERT_TRUE(low_level.ok());
  EXPECT_LT(Text(*low_level).size(), 200 * 1024u);
}

TEST_F(PythonKernelTest, StopsAtLimits) {
  ASSERT_FALSE(Run("base", "", "x = 5")->is_error);
  auto memory = Run("m", "base", "a = []\nwhile True: a.append(bytearray(50_000_000))");
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(memory->is_error);
  auto forks = Run("f", "base", "import os\nwhile True: os.fork()");
  ASSERT_TRUE(forks.ok()) << forks.status();
  EXPECT_TRUE(forks->is_error);
  auto disk = Run("d", "base",
                  "import itertools\nfor i in itertools.count():\n"
                  "    open(f'f{i}', 'wb').write(b'z' * 10_000_000)");
  ASSERT_TRUE(disk.ok()) << disk.status();
  EXPECT_TRUE(disk->is_error);
  EXPECT_NE(Text(*disk).find("64 MB"), std::string::npos) << Text(*disk);
  EXPECT_EQ(Output("base", "print(x)"), "5\n");
}

TEST_F(PythonKernelTest, StopsLoopsAndCancelledCells) {
  context_.deadline = SteadyNow() + absl::Seconds(1);
  auto loop = Run("loop", "", "while True: pass");
  ASSERT_TRUE(loop.ok()) << loop.status();
  EXPECT_TRUE(loop->is_error);
  EXPECT_EQ(JsonString(loop->value, "status"), "timeout");

  context_.deadline = SteadyNow() + absl::Minutes(1);
  CancelSource source;
  context_.cancel = source.token();
  asio::io_context io;
  absl::StatusOr<ToolResult> result = absl::UnknownError("");
  absl::Time cancelled_at;
  asio::co_spawn(io,
                 tool_->Call(Cell("stuck", "",
                                  "import signal\n"
                                  "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                                  "while True: pass")),
                 [&](std::exception_ptr, absl::StatusOr<ToolResult> r) { result = std::move(r); });
  asio::steady_timer timer(io, std::chrono::milliseconds(500));
  timer.async_wait([&](asio::error_code) {
    cancelled_at = absl::Now();
    source.Cancel(CancelReason::kUser, "enough");
  });
  io.run();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_LT(absl::Now() - cancelled_at, absl::Seconds(1) * Slowness());
}

TEST_F(PythonKernelTest, CellsThatFailSideBySideEndNoOthers) {
  constexpr int kCells = 24;
  asio::io_context io;
  std::vector<std::string> statuses(kCells);
  for (int i = 0; i < kCells; ++i) {
    asio::co_spawn(
        io, tool_->Call(Cell(fmt::format("cell{}", i), "", "raise ValueError('on purpose')")),
        [&statuses, i](std::exception_ptr, const absl::StatusOr<ToolResult>& result) {
          statuses[i] = result.ok() ? JsonString(result->value, "status") : "none";
        });
  }
  io.run();
  EXPECT_EQ(statuses, std::vector<std::string>(kCells, "error"));
}

TEST_F(PythonKernelTest, EndsWhatACellLeavesRunning) {
  ASSERT_FALSE(Run("base", "",
                   "import subprocess\n"
                   "p = subprocess.Popen(['sh', '-c', 'setsid sleep 1000 & sleep 1000'])")
                   ->is_error);
  EXPECT_EQ(Output("base",
                   "import glob\nprint(any('sleep' in open(p).read() for p in "
                   "glob.glob('/proc/[0-9]*/comm')))"),
            "False\n");
}

TEST_F(PythonKernelTest, HoldsStillWhatThreadsACellLeavesRunning) {
  ASSERT_FALSE(Run("base", "",
                   "import threading, time\n"
                   "def tick():\n"
                   "    while True:\n"
                   "        with open('ticks', 'a') as file: file.write('x')\n"
                   "        time.sleep(0.001)\n"
                   "threading.Thread(target=tick, daemon=True).start()\n"
                   "time.sleep(0.05)")
                   ->is_error);
  std::filesystem::path ticks;
  for (const auto& entry : std::filesystem::directory_iterator(context_.workspace.states())) {
    ticks = entry.path() / "ticks";
  }
  const auto before = std::filesystem::file_size(ticks);
  ASSERT_GT(before, 0u);
  // Other work takes its time meanwhile, in which the thread could write hundreds of times.
  ASSERT_FALSE(Run("other", "", "import time\ntime.sleep(0.3)")->is_error);
  // A write that was under way when the signal to stop came may end.
  EXPECT_LE(std::filesystem::file_size(ticks), before + 1);
  EXPECT_EQ(Output("base", "print(threading.active_count() >= 1)"), "True\n");
}

TEST_F(PythonKernelTest, BelievesNothingThatACellForges) {
  const std::string forge =
      "import gc, json, os, socket, struct\n"
      "channel = [s for s in gc.get_objects() if isinstance(s, socket.socket)][0]\n"
      "def send(data):\n"
      "    channel.sendall(struct.pack('<I', len(data)) + data)\n";
  ASSERT_FALSE(Run("base", "", "x = 5")->is_error);
  for (const char* message :
       {"send(b'no json')", "send(b'[1, 2]')", "send(b'\"ok\"')", "channel.sendall(b'\\xff' * 4)",
        "send(b'{\"status\": 7, \"outputs\": {\"a\": 1}}')",
        "send(b'{\"status\": \"error\", \"outputs\": [1, null, {\"output_type\": \"stream\"}]}')",
        "send(b'[' * 100000)", "channel.close()"}) {
    const auto forged = Run("forged", "base", forge + message + "\nos._exit(0)");
    ASSERT_TRUE(forged.ok()) << message << forged.status();
    EXPECT_TRUE(forged->is_error) << message;
    EXPECT_EQ(Output("base", "print(x)"), "5\n") << message;
  }
  const auto big = Run("big", "base",
                       forge +
                           "send(json.dumps({'status': 'ok', 'outputs': [{'output_type': 'stream', "
                           "'name': 'stdout', 'text': 'y' * 50_000_000}]}).encode())");
  ASSERT_TRUE(big.ok()) << big.status();
  EXPECT_LT(DumpJson(big->value).size(), 8'000'000u);
}

TEST_F(PythonKernelTest, BoundsTheFilesOfAllStatesTogether) {
  const std::string fill = "open('big', 'wb').write(b'z' * 55_000_000)";
  ASSERT_FALSE(Run("one", "", fill)->is_error);
  ASSERT_FALSE(Run("two", "", fill)->is_error);
  const auto full = Run("three", "", "1");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_TRUE(full->is_error);
  EXPECT_NE(Text(*full).find("discard"), std::string::npos) << Text(*full);
  ToolCall call = Cell("three", "", "1");
  call.arguments["discard"] = {"one"};
  EXPECT_FALSE(RunToEnd(tool_->Call(std::move(call)))->is_error);
}

TEST_F(PythonKernelTest, RefusesNamespacesAndMemoryThatNobodyCounts) {
  const std::string shown =
      Output("",
             "import ctypes, os, subprocess\n"
             "libc = ctypes.CDLL(None, use_errno=True)\n"
             "def refused(name, *args):\n"
             "    return getattr(libc, name)(*args) < 0 and ctypes.get_errno() == 1\n"
             "print(refused('unshare', 0x10000000), refused('ptrace', 16, os.getppid(), 0, 0),\n"
             "      refused('memfd_create', b'x', 0), refused('shmget', 0, 4096, 0o1600),\n"
             "      subprocess.run(['unshare', '-Ur', 'true'], stderr=-3).returncode != 0)\n"
             "for path in ('/x', '/dev/x', '/etc/x', '/troupe/x'):\n"
             "    try: open(path, 'w'); print('wrote', path)\n"
             "    except OSError: pass\n");
  EXPECT_EQ(shown, "True True True True True\n");
}

TEST_F(PythonKernelTest, LetsACellUseSeveralProcesses) {
  ASSERT_FALSE(Run("base", "", "import numpy\nbig = numpy.ones(50_000_000)")->is_error);
  // Four processes see the same 400 MB, which is there once; the limit is 1 GB.
  EXPECT_EQ(Output("base",
                   "import multiprocessing, time\n"
                   "def work(n):\n"
                   "    time.sleep(0.3)\n"
                   "    return n * int(big[n])\n"
                   "with multiprocessing.get_context('fork').Pool(4) as pool:\n"
                   "    print(pool.map(work, range(4), 1))"),
            "[0, 1, 2, 3]\n");
  const auto hog = Run("hog", "base",
                       "import os, time\n"
                       "for i in range(4):\n"
                       "    if os.fork() == 0:\n"
                       "        more = numpy.ones(50_000_000)\n"
                       "        time.sleep(60)\n"
                       "time.sleep(60)");
  ASSERT_TRUE(hog.ok()) << hog.status();
  EXPECT_NE(Text(*hog).find("memory"), std::string::npos) << Text(*hog);
}

// A fork publishes from a state that was made in another task's workspace.
TEST_F(PythonKernelTest, PublishesFromARecalledStateWithoutItsFiles) {
  const ToolCall made = Cell("made", "", "open('labels.csv', 'w').write('a,b')");
  const auto result = RunToEnd(tool_->Call(made));
  ASSERT_TRUE(result.ok()) << result.status();
  Restart();
  std::filesystem::remove_all(context_.workspace.states());
  tool_->Recall(made, *result);
  PublishTool publish(host_);
  ToolCall call;
  call.context = context_;
  call.arguments = {{"state", "made"}, {"files", {{{"file", "labels.csv"}}}}};
  const auto published = RunToEnd(publish.Call(std::move(call)));
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(published->value["missing"].size(), 0U);
  EXPECT_TRUE(std::filesystem::exists(context_.workspace.artifacts() / "labels.csv"));
}

// Killed at the wrong moment, bubblewrap leaves a process behind that waits for it for ever and
// holds the channel open.
TEST_F(PythonKernelTest, StartsAgainWhenItsKeeperDiesAndLeavesAProcessBehind) {
  const auto left_behind = folder_.path() / "left_behind";
  const auto keeper = folder_.path() / "keeper";
  std::ofstream(keeper) << fmt::format(
      "#!/bin/sh\n"
      "[ -e {0} ] && exec {1} \"$@\"\n"
      "sleep 1000 & echo $! > {0}\n"
      "exit 1\n",
      left_behind.string(), config_.bubblewrap);
  std::filesystem::permissions(keeper, std::filesystem::perms::owner_all);
  config_.bubblewrap = keeper;
  Restart();
  const absl::Time start = SteadyNow();
  const auto result = Run("a", "", "print('it', 'runs')");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NE(Text(*result).find("it runs"), std::string::npos);
  EXPECT_LT(SteadyNow() - start, absl::Seconds(30));
  pid_t left = 0;
  std::ifstream(left_behind) >> left;
  ASSERT_GT(left, 0);
  // It has no parent any more, so it is gone or waits to be buried by init.
  std::string state;
  std::ifstream(fmt::format("/proc/{}/stat", left)) >> state >> state >> state;
  EXPECT_TRUE(state.empty() || state == "Z") << state;
}

TEST_F(PythonKernelTest, LongChainOfStatesIsRebuiltAfterTheSandboxDied) {
  ASSERT_FALSE(Run("s0", "", "x = 0")->is_error);
  constexpr int kStates = 6;
  for (int i = 1; i <= kStates; ++i) {
    ASSERT_FALSE(Run(fmt::format("s{}", i), fmt::format("s{}", i - 1), "x += 1")->is_error);
  }
  // They die one after another, so that some look alive while the next cell is started.
  const std::vector<pid_t> tree = ProcessTree(getpid());
  for (size_t i = 1; i < tree.size(); ++i) kill(tree[i], SIGKILL);
  const auto next = Run("next", fmt::format("s{}", kStates), "print('x is', x)");
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_NE(Text(*next).find(fmt::format("x is {}", kStates)), std::string::npos) << Text(*next);
}

TEST_F(PythonKernelTest, PublishesFilesButNoLinks) {
  PublishTool publish(host_);
  ASSERT_FALSE(Run("made", "",
                   "import os\nopen('labels.csv', 'w').write('a,b')\n"
                   "os.symlink('/etc/shadow', 'link.csv')")
                   ->is_error);
  ToolCall call;
  call.context = context_;
  call.arguments = {
      {"state", "made"},
      {"files",
       {{{"file", "labels.csv"}}, {{"file", "link.csv"}}, {{"file", "../x"}}, {{"file", "none"}}}}};
  auto result = RunToEnd(publish.Call(std::move(call)));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->artifacts.size(), 1u);
  EXPECT_EQ(result->artifacts[0].media_type, "text/csv");
  EXPECT_EQ(result->value["missing"].size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(context_.workspace.artifacts() / "labels.csv"));
}

}  // namespace
}  // namespace troupe
