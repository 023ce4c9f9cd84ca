"""Commands as a person sees them: at a terminal of their own."""

import os
import subprocess
import sys
import threading
import time

SOON_S = 40.0


class Terminal:
    """A terminal with a command at its other end; POSIX only."""

    def __init__(self, argv, environment):
        import pty

        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fabctl", *map(str, argv)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=os.environ | environment,
            start_new_session=True,
        )
        os.close(slave)
        self.said = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while data := os.read(self._master, 4096):
                self.said += data
        except OSError:
            return

    def sees(self, words, count=1):
        until_s = time.monotonic() + SOON_S
        while self.said.count(words) < count:
            assert time.monotonic() < until_s, self.said.decode(errors="replace")
            time.sleep(0.02)

    def types(self, text):
        # what was typed before a question is thrown away
        time.sleep(0.2)
        os.write(self._master, text.encode() + b"\n")

    def ends(self):
        code = self.process.wait(SOON_S)
        time.sleep(0.1)
        os.close(self._master)
        return code
