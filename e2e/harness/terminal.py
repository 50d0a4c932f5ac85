"""A terminal: commands of a shell with somebody before it who answers what is asked."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A question of `ks` that waits, at the end of what was shown; then the cursor is shown again.
QUESTION = re.compile(r"\? ([^\n]*(?::|\(y/N\))) *\r*$")
CURSOR = "\x1b[?25h"


def run(command, env, cwd, answer, limit=20.0, enough=None):
    """A line for bash; its exit code and what it showed. `answer` is given a question and says what is typed. What goes on for ever is
    interrupted once `enough` says so of what it showed."""
    child, terminal = pty.fork()
    if child == 0:
        # What a shell starts in the background ignores these, and so would its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        os.chdir(cwd)
        os.execve("/bin/bash", ["bash", "-o", "pipefail", "-c", command], env)
    # Wide, so that no question is broken into lines.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
    shown, asked, interrupted = "", 0, False
    deadline = time.monotonic() + limit
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.05)[0]:
                if enough and not interrupted and enough(plain(shown)):
                    os.write(terminal, b"\x03")
                    interrupted = True
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Nobody has it open any more.
                break
            shown += piece.decode(errors="replace")
            if shown.endswith(CURSOR) and (question := QUESTION.search(ESCAPES.sub("", shown[asked:]))):
                asked = len(shown)
                os.write(terminal, f"{answer(question[1])}\r".encode())
        else:
            os.kill(child, signal.SIGKILL)
            raise AssertionError(f"did not end: {command}\n{plain(shown)}")
    finally:
        status = os.waitpid(child, 0)[1]
        os.close(terminal)
    return (0 if interrupted else os.waitstatus_to_exitcode(status)), plain(shown)


def plain(text):
    return ESCAPES.sub("", text).replace("\r\n", "\n")
