"""The package as a user has it, installed into a temporary folder for the tests of one process."""
import pathlib
import shutil
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests/end_to_end"))
from provider_test import install_package  # noqa: E402

PACKAGE = pathlib.Path(tempfile.mkdtemp(prefix="troupe-python-"))
unittest.addModuleCleanup(shutil.rmtree, PACKAGE, ignore_errors=True)
install_package(PACKAGE)
sys.path.insert(0, str(PACKAGE))
