"""A Homerun whose clocks the test moves while it runs, the test's own wall clock with them.

tests/clock/shift.c is loaded before libc into every process. The wall clock moves for all of them at
once; the monotonic clock only in Homerun, whose timers then come due at their next turn.
"""
import atexit
import mmap
import os
import pathlib
import shutil
import struct
import sys
import tempfile

from homerun import BINARY, Homerun, Skip

LIBRARY = pathlib.Path(BINARY).parent / "tests/clock/libclock-shift.so"
HOUR, DAY = 3600, 86400
YEAR = 365 * DAY


def begin():
    """Starts this program again with the clocks in front; to be called first."""
    if "CLOCK_SHIFT" in os.environ or not LIBRARY.exists():
        return
    folder = tempfile.mkdtemp(prefix="homerun-clock-")
    for name in ("mine", "theirs"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(bytes(16))
    os.environ.update(LD_PRELOAD=str(LIBRARY), CLOCK_SHIFT=os.path.join(folder, "mine"))
    os.execv(sys.executable, [sys.executable, *sys.argv])


class Clock:
    def __init__(self):
        if "CLOCK_SHIFT" not in os.environ:
            raise Skip("this build has no clock to move (a sanitizer comes before libc)")
        self.folder = os.path.dirname(os.environ["CLOCK_SHIFT"])
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.files = {}
        for name in ("mine", "theirs"):
            with open(os.path.join(self.folder, name), "r+b") as file:
                self.files[name] = mmap.mmap(file.fileno(), 16)
        os.environ["CLOCK_SHIFT"] = os.path.join(self.folder, "theirs")  # of what we start
        self.wall = self.mono = 0

    def move(self, wall=0, mono=0):
        """Both are seconds, from where the clocks are now."""
        self.wall += wall
        self.mono += mono
        struct.pack_into("qq", self.files["theirs"], 0, int(self.wall * 1e6), int(self.mono * 1e6))
        struct.pack_into("q", self.files["mine"], 0, int(self.wall * 1e6))

    def reset(self):
        self.move(wall=-self.wall)


class Movable(Homerun):
    """One that tells what its timers do: they come due when something happens."""

    def __init__(self, clock, *flags):
        super().__init__(*flags)
        self.clock = clock

    def pass_minutes(self, minutes=1.1):
        """The timers of the signer and of control come due: they turn when they are asked."""
        self.clock.move(mono=minutes * 60)
        self._tokens.clear()
        self.cli("token", "access")
