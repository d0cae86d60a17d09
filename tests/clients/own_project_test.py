#!/usr/bin/env python3
"""Projects of one's own that serve a tool, or learn from feedback, from C++: they are what the docs show, and CMake
takes them. (The programs themselves are built and run with the other tests.)"""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
PROJECTS = {"area": ("own_project", "tools/README.md", "libtroupe_tool_provider.a"),
            "learn": ("own_trace", "docs/trace-clients.md", "libtroupe_trace_client.a")}


class OwnProjectTest(unittest.TestCase):
    def test_is_the_one_in_the_docs(self):
        for program, (project, docs, _) in PROJECTS.items():
            shown = (SOURCE / docs).read_text()
            for name, language in (("CMakeLists.txt", "cmake"), (f"{program}.cc", "cpp")):
                text = (HERE / project / name).read_text()
                self.assertIn(f"```{language}\n{text}```", shown, name)
                self.assertLess(len(text.splitlines()), 25, name)

    def test_builds_the_program_and_the_library_it_needs_alone(self):
        for program, (project, _, library) in PROJECTS.items():
            folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-own-project-"))
            self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
            shutil.copytree(HERE / project, folder / program)
            (folder / program / "troupe").symlink_to(SOURCE)
            self.run_in(folder, "cmake", "-S", program, "-B", "build", "-G", "Ninja")
            inputs = self.run_in(folder, "ninja", "-C", "build", "-t", "inputs", program)
            self.assertIn(library, inputs)
            self.assertNotIn("troupe_server", inputs)
            self.assertNotIn("troupe_runtime", inputs)
            self.assertNotIn("troupe_graph", inputs)

    def run_in(self, folder, *command):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        return done.stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)
