"""What a disk may hold after its power was cut: no more is certain than POSIX says. A file has what was there at its last
fsync, and of later writes any; a folder has the names of its last fsync, and of later changes those up to some moment.

    disk = Disk(folder)
    for note in control.notes(): disk.add(note)      # until the power is cut
    disk.restore(to, random, how)
"""
import os
import pathlib

from control import ALLOCATED, KINDS, OPENED

_SECTOR = 512
# Of what was not synced: nothing is there, all of it, some of it, or room without bytes.
POLICIES = ("none", "all", "some", "zeros")
# Made anew at every start: SQLite's shared memory, room that is kept.
_NOT_KEPT = ("traind.db-shm", "reserve", "lock")


class _File:
    def __init__(self):
        self.synced = bytearray()
        self.pending = []  # (offset, bytes), or (size, None) where it was cut or grew.

    @staticmethod
    def _apply(content, offset, data):
        if data is None:
            del content[offset:]
            content.extend(bytes(offset - len(content)))
        else:
            content.extend(bytes(max(0, offset - len(content))))
            content[offset:offset + len(data)] = data

    def sync(self):
        for change in self.pending:
            self._apply(self.synced, *change)
        self.pending.clear()

    def after(self, random, how):
        content = bytearray(self.synced)
        for offset, data in self.pending if how != "none" else ():
            if data is not None and how == "zeros":
                data = bytes(len(data))
            if how == "some":
                fate = random.randrange(4)
                if fate == 0:
                    continue
                if fate == 1 and data is not None and len(data) > _SECTOR:  # Torn: not all of its sectors.
                    data = data[:random.randrange(len(data) // _SECTOR) * _SECTOR]
            self._apply(content, offset, data)
        return bytes(content)


class _Folder:
    def __init__(self):
        self.now = {}
        self.durable = {}


class _Change:
    """Of names in one folder or two, which is there as a whole or not at all."""

    def __init__(self, folders, puts, takes):
        self.folders, self.puts, self.takes = folders, puts, takes

    def apply(self, entries):
        """`entries` gives the names of a folder."""
        for folder, name in self.takes:
            entries(folder).pop(name, None)
        for folder, name, item in self.puts:
            entries(folder)[name] = item


class Disk:
    def __init__(self, folder):
        self.root_path = str(folder)
        self.root = _Folder()
        self.files = {}  # By their numbers.
        self.changes = []  # Of names, none of them synced.

    def _find(self, path):
        """(the folder, the name in it); the root is ("", itself)."""
        names = [name for name in os.fsdecode(path)[len(self.root_path):].split("/") if name]
        folder = self.root
        for name in names[:-1]:
            folder = folder.now[name]
        return folder, names[-1] if names else ""

    def _change(self, folders, puts, takes):
        change = _Change(folders, puts, takes)
        change.apply(lambda folder: folder.now)
        self.changes.append(change)

    def add(self, note):
        _, what, number, offset, first, second = note
        if what == OPENED:
            folder, name = self._find(first)
            if name not in folder.now:
                self._change((folder,), [(folder, name, _File())], [])
            self.files[number] = folder.now[name]
            if offset == 0:
                self.files[number].pending.append((0, None))
        elif what == ALLOCATED or number not in self.files and KINDS[what] in ("write", "resize"):
            pass
        elif KINDS[what] == "write":
            self.files[number].pending.append((offset, first))
        elif KINDS[what] == "resize":
            self.files[number].pending.append((offset, None))
        elif KINDS[what] in ("fsync", "commit"):
            self.files[number].sync()
        else:
            self._add_names(KINDS[what], first, second)

    def _add_names(self, kind, first, second):
        folder, name = self._find(first)
        if kind == "fsync-folder":
            self._sync(folder.now[name] if name else folder)
        elif not name:
            pass  # The root itself.
        elif kind == "mkdir":
            self._change((folder,), [(folder, name, _Folder())], [])
        elif kind == "remove":
            self._change((folder,), [], [(folder, name)])
        else:
            to, to_name = self._find(second)
            takes = [(folder, name)] if kind == "rename" else []
            self._change((folder, to), [(to, to_name, folder.now[name])], takes)

    def _sync(self, folder):
        """Its changes so far are there, and those of other folders on which they stand."""
        needed, those, others = {id(folder)}, [], []
        for change in reversed(self.changes):
            if any(id(one) in needed for one in change.folders):
                needed.update(id(one) for one in change.folders)
                those.append(change)
            else:
                others.append(change)
        for change in reversed(those):
            change.apply(lambda one: one.durable)
        self.changes = others[::-1]

    def restore(self, to, random, how):
        """Writes what is left into the folder `to`, which is new."""
        names = {}  # Of a folder, by its id.

        def entries(folder):
            return names.setdefault(id(folder), dict(folder.durable))
        ended = set()
        for change in self.changes if how != "none" else ():
            if how == "some" and (random.randrange(8) == 0 or any(id(one) in ended for one in change.folders)):
                ended.update(id(one) for one in change.folders)
            else:
                change.apply(entries)
        self._write(self.root, pathlib.Path(to), entries, random, how)

    def _write(self, folder, path, entries, random, how):
        path.mkdir(mode=0o700)
        for name, item in entries(folder).items():
            if isinstance(item, _Folder):
                self._write(item, path / name, entries, random, how)
            elif name not in _NOT_KEPT:
                (path / name).write_bytes(item.after(random, how))
                (path / name).chmod(0o600)
