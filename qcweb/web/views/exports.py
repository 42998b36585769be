"""A night to take along: the pages, pictures and numbers of it as a zip."""

import tempfile
import zipfile
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils import timezone

from qcweb.problems import Problem, ProblemError
from qcweb.web.export import Export, Names
from qcweb.web.night_page import find_night
from qcweb.web.views.nights import find_instrument, parse_night

# More takes longer than a browser waits.
MOST_BLOCKS = 400


def export(request: HttpRequest, instrument: str, night: str) -> HttpResponseBase:
    at, day = timezone.now(), parse_night(night)
    found = find_night(find_instrument(instrument).name, day, at)
    if found is None or found.facts["n"] > MOST_BLOCKS:
        raise ProblemError(
            Problem(409, "Too many blocks", f"The night has more than {MOST_BLOCKS} blocks.",
                    hint=f"`manage.py export_night {instrument} {day} --to DIR` writes any night.")
        )  # fmt: skip
    name = Names().of(f"{found.instrument.name}_{day}")
    with tempfile.TemporaryDirectory(dir=settings.HCM_DATA_DIR, prefix="export-") as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        Export(found, folder, request.get_host(), at, request.user).write()
        packed = tempfile.TemporaryFile(dir=settings.HCM_DATA_DIR)  # noqa: SIM115  closed when sent
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                archive.write(path, f"{name}/{path.relative_to(folder).as_posix()}")
    packed.seek(0)
    return FileResponse(
        packed, as_attachment=True, filename=f"{name}.zip", content_type="application/zip"
    )
