"""Rows that a program brings, as JSON or Parquet: all of them are stored, or none and why."""

import hashlib
import io
import json
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from qcweb import parameters
from qcweb.auditing import tell
from qcweb.problems import Fault, Problem, ProblemError
from trending.exports.parquet import MEDIA_TYPE as PARQUET
from trending.models import QC1Table
from trending.services.batch import RawColumn
from trending.services.import_rows import import_sheet
from trending.services.read_files import ImportRefusedError, Sheet, read_content, sheet_of

from .bodies import FORM_FIELD

JSON = "application/json"
KINDS = (JSON, PARQUET)
FORM = "application/x-www-form-urlencoded"
MAX_ROWS = 500_000
# Columns a body may name, and characters a text of it may have: more than any table takes, and far
# less than a small body could be unpacked to.
MAX_NAMES, MAX_TEXT = 500, 10_000
# So many wrong rows are named.
MAX_PROBLEMS = 1000
_SHAPE = 'Send {"rows": [{"mjd_obs": 57080.5, "detector": "CHIP1", …}, …]}.'


def ingest(request: Request, table: QC1Table) -> Response:
    """Store the rows of a request's body; the same rows again change nothing.

    Raises
    ------
    ProblemError
        The body cannot be read, or a row is wrong: `errors` names each. Nothing has been stored.
    """
    parameters.check_known(request.GET, ("simulated", "format"))
    is_simulated = parameters.one_of(request.GET, "simulated", ("false", "true")) == "true"
    content = _body(request)
    try:
        report = import_sheet(
            _sheet(request, content), table, timezone.now(), by=request.user.get_username(),
            name=f"sent by {_sender(request)}", is_simulated=is_simulated, most_problems=MAX_PROBLEMS,
        )  # fmt: skip
    except ImportRefusedError as error:
        _refuse(error)
    stored = report.stored
    counts = {
        "n_new": len(stored.new),
        "n_replaced": len(stored.replaced),
        "n_unchanged": stored.n_unchanged,
    }
    tell(request._request, after=counts)
    return Response(
        {
            "table": table.name,
            **counts,
            "rows": [{"row": place, "outcome": outcome} for place, outcome in report.rows],
        }
    )


def _sender(request: Request) -> str:
    token = getattr(request._request, "token", None)
    name = request.user.get_username()
    return f"{name}, token {token.name}" if token else name


def _body(request: Request) -> bytes:
    """Return the body, unless it is longer than may be sent at once."""
    most = int(settings.HCM_UPLOAD_MB * 1_000_000)
    # Past Django's own limit, which is for forms.
    content = request._request.read(most + 1)
    if len(content) > most:
        raise ProblemError(
            Problem(413, "Too large", f"The body is longer than {settings.HCM_UPLOAD_MB:g} MB.",
                    where="body", hint="Send the rows in several parts; each is stored by itself.")
        )  # fmt: skip
    return content


def _sheet(request: Request, content: bytes) -> Sheet:
    kind = (request.content_type or "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _json(content)
    if kind == FORM:
        # What a person has typed on the page of the address.
        return _json(request._request.POST.get(FORM_FIELD, "").encode())
    if kind == PARQUET:
        return _parquet(content)
    raise ProblemError(
        Problem(415, "Unknown kind of body", f"Content-Type {kind[:80]!r} is not read here.",
                where="Content-Type", hint=f"Known are {', '.join(KINDS)}.")
    )  # fmt: skip


def _json(content: bytes) -> Sheet:
    try:
        body = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = str(error)[:200] or "nested too deeply"
        raise _bad(f"The body is no JSON: {said}", _SHAPE) from error
    rows = body.get("rows") if isinstance(body, dict) else None
    if not isinstance(rows, list) or set(body) != {"rows"}:
        raise _bad("The body has no rows, or more than rows.", _SHAPE)
    _check_number(len(rows))
    for n, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise _bad(f"Row {n} is no object.", _SHAPE)
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MAX_NAMES:
        raise _bad(f"The rows name {len(names)} columns.", f"No table has more than {MAX_NAMES}.")
    columns: dict[str, RawColumn] = {name: [row.get(name) for row in rows] for name in names}
    return sheet_of(columns, hashlib.sha256(content).hexdigest())


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number; leave the value out, or give null")


def _parquet(content: bytes) -> Sheet:
    try:
        # What it unpacks to is said in its foot: looked at before it is read.
        found = pq.ParquetFile(io.BytesIO(content))
        _check_number(found.metadata.num_rows)
        _check_texts(content, found.schema_arrow)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _bad(f"The body is no Parquet file: {str(error)[:200]}", "Write it anew.") from error
    return read_content(content, "parquet")


def _check_texts(content: bytes, schema: pa.Schema) -> None:
    """Refuse long texts before they are unpacked: each is in the file once, however many rows have it."""
    if len(schema) > MAX_NAMES:
        raise _bad(f"The file has {len(schema)} columns.", f"No table has more than {MAX_NAMES}.")
    kinds = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    texts = [one.name for one in schema if one.type in kinds]
    table = pq.read_table(
        io.BytesIO(content), columns=texts, read_dictionary=texts, use_threads=False
    )
    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            if (pc.max(pc.binary_length(words)).as_py() or 0) > MAX_TEXT:
                raise _bad(
                    f"Column {name[:60]!r} has a text longer than {MAX_TEXT} characters.",
                    "No column takes such a text.",
                )


def _check_number(n_rows: int) -> None:
    if n_rows > MAX_ROWS:
        raise ProblemError(
            Problem(413, "Too many rows", f"{n_rows} rows; {MAX_ROWS} can be sent at once.",
                    where="body", hint="Send them in several parts; each is stored by itself.")
        )  # fmt: skip


def _bad(detail: str, hint: str) -> ProblemError:
    return ProblemError(Problem(400, "Unreadable body", detail, where="body", hint=hint))


def _refuse(error: ImportRefusedError) -> NoReturn:
    parts: list[Any] = []
    for said in error.problems:
        where, colon, words = said.partition(": ")
        parts.append(Fault(where, words) if colon else Fault("", said))
    raise ProblemError(
        Problem(422, "Nothing was stored", parts[0].detail, where=parts[0].where,
                hint="Mend the rows in `errors` and send all of them again.", errors=tuple(parts))
    ) from error  # fmt: skip
