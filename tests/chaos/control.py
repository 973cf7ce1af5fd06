"""What shim.cc and the script have in common: a file that both have mapped. It steers the programs while they run, and
holds a trace of what they did to the files below a folder."""
import mmap
import os
import struct

KINDS = ("create", "write", "fsync", "commit", "fsync-folder", "rename", "mkdir", "link", "remove", "resize", "send")
OPENED, ALLOCATED = 32, 33  # Notes that are no kinds.
SERVER, WORKER = 0, 1
NANOSECONDS = 10**9

_TRACE = 4096
_HEAD = struct.Struct("<QqIIH6x")
_POSITION, _TRACING, _BROKEN, _CLOCK, _RANDOM = 8, 16, 24, 32, 40
_PROGRAMS, _PROGRAM_SIZE, _COUNTS = 512, 512, 16
_CRASH_KIND, _CRASH_AT, _CRASH_AFTER, _CRASHES, _ERROR_KINDS, _ERROR_CHANCE, _ERROR, _ERRORS = range(
    8 * _COUNTS, 8 * _COUNTS + 64, 8)


class Control:
    """One file; `folder` is the one that is looked at. `library` is built of shim.cc."""

    def __init__(self, path, folder, library, seed, trace_bytes=1 << 28):
        with open(path, "wb") as file:
            file.truncate(trace_bytes)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self._put(0, trace_bytes)
        self._put(_POSITION, _TRACE)
        self._put(_RANDOM, seed)
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "LD_CHAOS": f"{path}:{folder}"}

    def _get(self, at):
        return struct.unpack_from("<Q", self.map, at)[0]

    def _put(self, at, value):
        struct.pack_into("<Q", self.map, at, value)

    def _of(self, program, field):
        return _PROGRAMS + program * _PROGRAM_SIZE + field

    def count(self, program, kind):
        return self._get(self._of(program, 8 * KINDS.index(kind)))

    def crash(self, program, kind, after, calls):
        """Ends the program at the `calls`-th call of this kind from now on, before or after it."""
        self._put(self._of(program, _CRASH_AFTER), int(after))
        self._put(self._of(program, _CRASH_AT), self.count(program, kind) + calls)
        self._put(self._of(program, _CRASH_KIND), KINDS.index(kind) + 1)

    def crash_no_more(self):
        for program in (SERVER, WORKER):
            self._put(self._of(program, _CRASH_KIND), 0)

    def crashes(self):
        return sum(self._get(self._of(program, _CRASHES)) for program in (SERVER, WORKER))

    def fail(self, program, kinds, number, chance):
        """Each call of these kinds fails with the errno `number`, with a chance of 0 to 1."""
        self._put(self._of(program, _ERROR), number)
        self._put(self._of(program, _ERROR_CHANCE), int(chance * 1e6))
        self._put(self._of(program, _ERROR_KINDS), sum(1 << KINDS.index(kind) for kind in kinds))

    def errors(self):
        return sum(self._get(self._of(program, _ERRORS)) for program in (SERVER, WORKER))

    def set_clock(self, seconds):
        struct.pack_into("<q", self.map, _CLOCK, int(seconds * NANOSECONDS))

    def trace(self, on):
        self._put(_TRACING, int(on))

    def position(self):
        return self._get(_POSITION)

    def broken(self):
        return self._get(_BROKEN) != 0

    def notes(self, begin=_TRACE):
        """What is written down from a position on: (end, note, inode, offset, first, second)."""
        at, end = begin, self.position()
        while at < end:
            inode, offset, first, second, note = _HEAD.unpack_from(self.map, at)
            text = at + _HEAD.size
            at += (_HEAD.size + first + second + 7) // 8 * 8
            yield (at, note, inode, offset, bytes(self.map[text:text + first]),
                   bytes(self.map[text + first:text + first + second]))
