#!/usr/bin/env python3
"""A project of one's own that serves a tool from C++: it is what tools/README.md shows, and CMake takes it. (The program
itself is built and run with the other tests.)"""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROJECT = pathlib.Path(__file__).with_name("own_project")


class OwnProjectTest(unittest.TestCase):
    def test_is_the_one_in_the_docs(self):
        docs = (SOURCE / "tools/README.md").read_text()
        for name, language in (("CMakeLists.txt", "cmake"), ("area.cc", "cpp")):
            text = (PROJECT / name).read_text()
            self.assertIn(f"```{language}\n{text}```", docs, name)
            self.assertLess(len(text.splitlines()), 20, name)

    def test_builds_the_program_and_the_library_it_needs_alone(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-own-project-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(PROJECT, folder / "area")
        (folder / "area/troupe").symlink_to(SOURCE)
        self.run_in(folder, "cmake", "-S", "area", "-B", "build", "-G", "Ninja")
        inputs = self.run_in(folder, "ninja", "-C", "build", "-t", "inputs", "area")
        self.assertIn("libtroupe_tool_provider.a", inputs)
        self.assertNotIn("troupe_server", inputs)
        self.assertNotIn("troupe_runtime", inputs)

    def run_in(self, folder, *command):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        return done.stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)
