"""Where the harness of the end-to-end tests is, and its measure of patience."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from harness import patience  # noqa: E402, F401
