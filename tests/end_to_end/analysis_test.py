#!/usr/bin/env python3
"""Whole analyses with recorded model replies and code that really runs: the labels must be right, and
the notebook must run again from top to bottom."""
import csv
import json
import os
import pathlib
import subprocess
import tempfile
import tomllib
import unittest

from harness import SHARED, SOURCE, Server, main

PBMC68K = SHARED / "data/single_cell/pbmc68k_reduced.h5ad"
COARSE = [("T Reg", "T cell"), ("Cytotoxic", "T cell"), ("Memory", "T cell"), ("Naive", "T cell"),
          ("NK", "NK cell"), ("B", "B cell"), ("Monocyte", "monocyte"), ("Dendritic", "dendritic cell"),
          ("CD34", "CD34 progenitor")]

# Takes away every label and what was derived with the labels.
STRIP = """
import sys, anndata, json
data = anndata.read_h5ad(sys.argv[1])
json.dump(dict(zip(data.obs_names, data.obs['bulk_labels'].astype(str))), open(sys.argv[3], 'w'))
for column in ('bulk_labels', 'louvain'):
    del data.obs[column]
for part in (data.uns, data.obsm, data.obsp, data.varm):
    for key in list(part):
        del part[key]
data.write_h5ad(sys.argv[2])
"""

# Runs a notebook's code cells in one namespace, in its own folder.
RERUN = """
import json, sys
import matplotlib
matplotlib.use("Agg")
book = json.load(open(sys.argv[1]))
import nbformat
nbformat.validate(nbformat.from_dict(book))
space = {}
for cell in book["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
print("cells", sum(cell["cell_type"] == "code" for cell in book["cells"]))
"""


class AnalysisTest(unittest.TestCase):
    def labels(self):
        with open(self.artifacts / "labels.csv") as file:
            rows = list(csv.DictReader(file))
        return {row[""] if "" in row else row["index"]: row["cell_type"] for row in rows}

    def rerun_notebook(self, cells):
        done = subprocess.run(["/usr/bin/python3", "-c", RERUN, "analysis.ipynb"], cwd=self.artifacts,
                              capture_output=True, text=True, timeout=300,
                              env={**os.environ, "MPLCONFIGDIR": str(self.server.folder)})
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assertIn(f"cells {cells}\n", done.stdout)

    def test_pbmc68k(self):
        if not PBMC68K.exists():
            self.skipTest(f"{PBMC68K} is not there")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-data-"))
        self.addCleanup(lambda: [path.unlink() for path in folder.iterdir()] and folder.rmdir())
        subprocess.run(["/usr/bin/python3", "-c", STRIP, PBMC68K, folder / "pbmc.h5ad",
                        folder / "truth.json"], check=True, timeout=120, stderr=subprocess.DEVNULL)
        recording = SOURCE / "tests/recordings/pbmc68k.jsonl"
        server_folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-e2e-"))
        (server_folder / "pbmc.h5ad").write_bytes((folder / "pbmc.h5ad").read_bytes())
        self.server = Server({"recorded": {"kind": "recorded", "recording": str(recording)}},
                             folder=server_folder)
        self.addCleanup(self.server.close)
        self.server.submit("Label every cell", "--server-input", server_folder / "pbmc.h5ad")
        task = self.server.wait(seconds=300)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.artifacts = self.server.folder / "data/tasks/t/artifacts"
        truth = json.loads((folder / "truth.json").read_text())
        labels = self.labels()
        self.assertEqual(set(labels), set(truth))
        right = sum(labels[cell] == next(coarse for part, coarse in COARSE if part in fine)
                    for cell, fine in truth.items())
        print(f"agreement with bulk_labels, coarse types: {right / len(truth):.3f}")
        self.assertGreaterEqual(right / len(truth), 0.8)
        figures = list(self.artifacts.glob("figure-*.png"))
        self.assertTrue(figures)
        for figure in figures:
            self.assertTrue(figure.read_bytes().startswith(b"\x89PNG\r\n"), figure)
        self.rerun_notebook(cells=4)
        self.check_offered_tools()

    def check_offered_tools(self):
        """The tool selector hears of the cards whose tools are on this machine, and of no others."""
        def installed(needs, command, names):
            run = [*command, *names]
            return not needs or subprocess.run(run, capture_output=True, timeout=120).returncode == 0

        requests = [self.server.troupe("span", span["name"])["request_json"]
                    for span in self.server.troupe("trace", "t")["spans"] if span.get("role") == "tool_selector"]
        offered = "\n".join(json.loads(request)["messages"][0]["parts"][0]["text"] for request in requests)
        for card in (SOURCE / "agents/cellagent/toolboxes/single_cell/cards").glob("*.md"):
            head = tomllib.loads(card.read_text().split("+++\n")[1])
            if not {"prepare", "clustering", "annotation"} & set(head["steps"]):
                continue  # the recorded plan has no such step
            modules, packages = head.get("requires", []), head.get("requires_r", [])
            there = installed(modules, ["/usr/bin/python3", "-c", "import sys, importlib.util as u\n"
                              "sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))"], modules)
            there = there and installed(packages, ["Rscript", "-e", "for (p in commandArgs(TRUE)) "
                                        "stopifnot(nzchar(system.file(package = p)))"], packages)
            self.assertEqual(f"- {head['name']}: {head['brief']}" in offered, there, head["name"])

    def test_airquality(self):
        """A table from another field, with the tabular toolbox: R's measurements of air quality."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-e2e-"))
        table = folder / "airquality.csv"
        subprocess.run(["Rscript", "-e", f'write.csv(airquality, "{table}", row.names=FALSE)'],
                       check=True, timeout=60)
        recording = SOURCE / "tests/recordings/airquality.jsonl"
        self.server = Server({"recorded": {"kind": "recorded", "recording": str(recording)}}, folder=folder)
        self.addCleanup(self.server.close)
        self.server.submit("What drives ozone, and how well can it be predicted?", "--toolbox", "tabular",
                           "--input", table)
        task = self.server.wait(seconds=300)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.artifacts = self.server.folder / "data/tasks/t/artifacts"
        with open(self.artifacts / "table.csv") as file:
            pairs = [(float(row["Ozone"]), float(row["predicted_Ozone"])) for row in csv.DictReader(file)]
        mean = sum(actual for actual, _ in pairs) / len(pairs)
        explained = 1 - (sum((actual - predicted) ** 2 for actual, predicted in pairs) /
                         sum((actual - mean) ** 2 for actual, _ in pairs))
        print(f"share of ozone's variance that is predicted on unseen days: {explained:.3f}")
        self.assertGreaterEqual(explained, 0.6)
        self.rerun_notebook(cells=5)

    def test_replay_and_fork(self):
        """A replay touches nothing and comes to the same end; a fork goes on from another answer."""
        recording = SOURCE / "tests/recordings/plain.jsonl"
        self.server = Server({"recorded": {"kind": "recorded", "recording": str(recording)}})
        self.addCleanup(self.server.close)
        self.server.submit("Sum up", "--toolbox", "plain")
        first = self.server.wait()
        self.assertEqual(first["state"], "STATE_SUCCEEDED", first.get("error"))
        replay = self.server.troupe("replay", "t")["name"]
        again = self.server.wait(replay)
        self.assertEqual(again["state"], "STATE_SUCCEEDED", again.get("error"))
        self.assertEqual(again["result"]["text"], first["result"]["text"])
        spans = self.server.troupe("trace", "t")["spans"]
        code = next(span for span in spans if span.get("role") == "programmer")
        fork = self.server.troupe("fork", code["name"], "--text",
                                  json.dumps({"analysis": "", "code": "total = 99"}))["name"]
        forked = self.server.wait(fork)
        self.assertEqual(forked["state"], "STATE_SUCCEEDED", forked.get("error"))
        folder = self.server.folder / "data/tasks" / fork.split("/")[1] / "artifacts"
        self.assertEqual((folder / "total.txt").read_text(), "99")
        self.assertEqual((self.server.folder / "data/tasks/t/artifacts/total.txt").read_text(), "6")


if __name__ == "__main__":
    main()
