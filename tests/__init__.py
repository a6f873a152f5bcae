"""Tests. `unit` mirrors the modules, `sandbox` runs the tap, `systems` is all around it."""

import os
import shutil
import sys
import tempfile
from multiprocessing.util import Finalize

# Where bytecode is not written, as in many containers, each process of the tests would compile
# whatever it imports: most of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The temporary files of the tests' processes, which do not remove them when they are killed, are
# in a folder that goes with the session. It is made first, so that it is removed last.
if "TESTS_TMPDIR" not in os.environ:
    tempfile.gettempdir()  # pytest's own folder stays in the one of the system
    _folder = tempfile.mkdtemp(prefix="tests-")
    os.environ.update(dict.fromkeys(("TESTS_TMPDIR", "TMPDIR", "TEMP", "TMP"), _folder))
    Finalize(None, shutil.rmtree, (_folder,), {"ignore_errors": True}, exitpriority=-200)
