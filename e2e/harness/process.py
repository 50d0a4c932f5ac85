"""Child processes whose output goes to files, so that it can be searched afterwards."""

import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(os.environ.get("KS_E2E_BIN", ROOT / "target" / "debug"))


class Process:
    """A process in the background. Its two streams are written to `<log>.out` and `<log>.err`."""

    def __init__(self, command, log, env=None, stdin=subprocess.DEVNULL):
        self.out = Path(f"{log}.out")
        self.err = Path(f"{log}.err")
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=env,
            )

    def wait_for(self, found, what, limit=30.0):
        """The first true value of `found()`; fails with the process's own words when it ends or takes too long."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            value = found()
            if value:
                return value
            if self.child.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"{what} did not come:\n{self.out.read_text()}\n{self.err.read_text()}")

    def kill(self):
        """SIGKILL: nothing of it runs after this returns."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self, limit=20.0):
        """SIGTERM, and how it ended."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
