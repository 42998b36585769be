"""The log of one run, in EsoRex's form, written line by line so that it can be watched live."""

import sys
import time
from pathlib import Path
from typing import TextIO

_LABELS = {"INFO": "[ INFO  ]", "WARNING": "[WARNING]", "ERROR": "[ ERROR ]"}


class Journal:
    def __init__(self, stream: TextIO, recipe: str) -> None:
        self._stream = stream
        self._recipe = recipe

    @classmethod
    def open(cls, path: Path, recipe: str) -> "Journal":
        return cls(path.open("w", encoding="utf-8", buffering=1), recipe)

    def info(self, text: str) -> None:
        self._write("INFO", text)

    def warning(self, text: str) -> None:
        self._write("WARNING", text)

    def error(self, text: str) -> None:
        self._write("ERROR", text)

    def close(self) -> None:
        if self._stream is not sys.stderr:
            self._stream.close()

    def _write(self, level: str, text: str) -> None:
        now = time.strftime("%H:%M:%S", time.gmtime())
        for line in text.splitlines():
            self._stream.write(f"{now} {_LABELS[level]} {self._recipe}: {line}\n")
        self._stream.flush()
