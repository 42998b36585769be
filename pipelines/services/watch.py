"""Follows a directory: says which files have come to rest since the last look."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from .ingest import find_frames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    size: int
    changed_ns: int
    since_s: float


@dataclass
class Watch:
    """What is known of a directory. A file is whole when it has not changed for `quiet_s`.

    A directory that vanishes, as a network disk may, is waited for; nothing is forgotten.
    """

    directory: Path
    quiet_s: float
    _seen: dict[Path, _Seen] = field(default_factory=dict)
    _told: dict[Path, _Seen] = field(default_factory=dict)
    _is_lost: bool = False

    def settled(self, now_s: float) -> list[Path]:
        """Look once; return the files that are whole and new, or changed since they were told."""
        if not self._is_there():
            return []
        found: list[Path] = []
        for path in find_frames(self.directory):
            seen = self._look(path, now_s)
            if seen is None or now_s - seen.since_s < self.quiet_s:
                continue
            told = self._told.get(path)
            if told is None or (told.size, told.changed_ns) != (seen.size, seen.changed_ns):
                self._told[path] = seen
                found.append(path)
        return found

    def _is_there(self) -> bool:
        is_there = self.directory.is_dir()
        if not is_there and not self._is_lost:
            logger.warning("%s is gone; waiting for it", self.directory)
        elif is_there and self._is_lost:
            logger.warning("%s is back", self.directory)
        self._is_lost = not is_there
        return is_there

    def _look(self, path: Path, now_s: float) -> _Seen | None:
        try:
            stat = path.stat()
        except OSError:  # it went away between listing and looking
            self._seen.pop(path, None)
            return None
        before = self._seen.get(path)
        if before and (before.size, before.changed_ns) == (stat.st_size, stat.st_mtime_ns):
            return before
        self._seen[path] = _Seen(stat.st_size, stat.st_mtime_ns, now_s)
        return self._seen[path]
