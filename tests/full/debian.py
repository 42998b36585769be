"""Fetches source packages with apt, from where this machine's packages come, into a cache."""

import os
import re
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hcm" / "debian-sources"
APT = Path("/etc/apt")
TIMEOUT_S = 600


def source_lists() -> dict[str, str]:
    """Return the machine's own lists of Debian, asking for sources: file name -> text.

    Only those with a component `main`: what a vendor adds has no such packages.
    """
    found: dict[str, str] = {}
    for path in [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]:
        if not path.is_file() or path.suffix not in {".list", ".sources"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            text = "\n\n".join(
                re.sub(r"(?m)^Types:.*$", "Types: deb-src", part)
                for part in re.split(r"\n\s*\n", text)
                if re.search(r"(?m)^Components:.*\bmain\b", part)
            )
        else:
            lines = [
                line for line in text.splitlines() if re.match(r"deb(-src)?\s.*\bmain\b", line)
            ]
            text = "\n".join(re.sub(r"^deb(-src)?\b", "deb-src", line) for line in lines)
        if text.strip():
            found[path.name] = text + "\n"
    return found


class Sources:
    """Apt with lists and downloads of its own; nothing of the machine's is changed."""

    def __init__(self, cache: Path = CACHE) -> None:
        self.cache = cache
        for name in ("parts", "lists/partial", "archives/partial", "packages"):
            (cache / name).mkdir(parents=True, exist_ok=True)
        for old in (cache / "parts").iterdir():
            old.unlink()
        for name, text in source_lists().items():
            (cache / "parts" / name).write_text(text)

    def update(self) -> str:
        """Refresh the lists; return what apt complains of."""
        return self._apt("update")

    def fetch(self, package: str) -> str:
        """Download a source package; return what went wrong, empty if nothing did."""
        return self._apt("source", "--download-only", package)

    def archives(self, package: str) -> list[Path]:
        """Return what upstream has released; Debian's own additions alone are no answer."""
        return sorted(self.folder.glob(f"{package}_*.orig*.tar.*"))

    @property
    def folder(self) -> Path:
        return self.cache / "packages"

    def _apt(self, *words: str) -> str:
        options = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.cache / "parts",
            "Dir::State::lists": self.cache / "lists",
            "Dir::Cache": self.cache,
            "Dir::Cache::archives": self.cache / "archives",
            # A cache in a home directory: apt's own user may not look into it.
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 1,
        }
        said = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        try:
            done = subprocess.run(
                ["apt-get", "-q", *said, *words], cwd=self.folder, capture_output=True,
                text=True, timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        wrong = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        return "; ".join(wrong) or (
            f"apt-get ended with {done.returncode}" if done.returncode else ""
        )
