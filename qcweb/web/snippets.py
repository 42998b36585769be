"""How to read what a page shows in a program: lines that work as they are pasted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from trending.models import Dataset, QC1Parameter, QC1Table, Series

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Snippet:
    """Lines for one program."""

    name: str
    text: str


def of_rows(request: HttpRequest, table: QC1Table, query: Query) -> list[Snippet]:
    """Return how to read rows of a table; `query` is what the page has chosen, as the API takes it."""
    address = request.build_absolute_uri(reverse("api:rows", args=[table.name]))

    def at(form: str) -> str:
        return f"{address}?{urlencode([('format', form), *query])}"

    if settings.HCM_ANONYMOUS_READ:
        return _open(table.name, at("csv"), at("votable"))
    return _with_token(table.name, at("csv"), at("votable"))


def _open(name: str, csv: str, votable: str) -> list[Snippet]:
    return [
        Snippet("curl", f"curl -fsS -o {name}.csv '{csv}'"),
        Snippet("pandas", f'import pandas\n\nrows = pandas.read_csv("{csv}")\nprint(rows)'),
        Snippet(
            "astropy",
            "from astropy.table import Table\n\n"
            f'rows = Table.read("{votable}", format="votable")\nprint(rows)',
        ),
    ]


def _with_token(name: str, csv: str, votable: str) -> list[Snippet]:
    """Return the same for a site that shows its data to tokens only: they come from `HCM_TOKEN`."""
    head = '{"Authorization": f"Bearer {os.environ[\'HCM_TOKEN\']}"}'
    return [
        Snippet(
            "curl", f"curl -fsS -H \"Authorization: Bearer $HCM_TOKEN\" -o {name}.csv \\\n  '{csv}'"
        ),
        Snippet(
            "pandas",
            "import os\n\nimport pandas\n\n"
            f'rows = pandas.read_csv(\n    "{csv}",\n    storage_options={head},\n)\nprint(rows)',
        ),
        Snippet(
            "astropy",
            "import os\n\nfrom astropy.table import Table\n"
            "from astropy.utils.data import download_file\n\n"
            f'path = download_file(\n    "{votable}",\n    http_headers={head},\n)\n'
            'rows = Table.read(path, format="votable")\nprint(rows)',
        ),
    ]


def of_dataset(request: HttpRequest, dataset: Dataset, since: str) -> list[Snippet]:
    """Return how to read what a plot of a report draws."""
    return _of_parameter(request, dataset.parameter, dataset.detector, dataset.setup, since)


def address_of_dataset(dataset: Dataset, since: str) -> str:
    """Return where the values of a data set are as CSV."""
    query = _query(dataset.parameter, dataset.detector, dataset.setup, since)
    address = reverse("api:rows", args=[dataset.parameter.table.name])
    return f"{address}?{urlencode([('format', 'csv'), *query])}"


def of_series(request: HttpRequest, series: Series) -> list[Snippet]:
    """Return how to read a series over all of its time."""
    return _of_parameter(request, series.parameter, series.detector, series.setup.values)


def _of_parameter(
    request: HttpRequest,
    parameter: QC1Parameter,
    detector: str,
    setup: Mapping[str, object],
    since: str = "",
) -> list[Snippet]:
    """Return how to read one parameter over time, with its scores."""
    return of_rows(request, parameter.table, _query(parameter, detector, setup, since))


def _query(
    parameter: QC1Parameter, detector: str, setup: Mapping[str, object], since: str
) -> list[tuple[str, str]]:
    columns = f"mjd_obs,date_obs,detector,{parameter.name},{parameter.name}_score"
    query = [("columns", columns), *([("from", since)] if since else [])]
    query += [("detector", detector)] if detector else []
    return query + [(name, str(value)) for name, value in sorted(setup.items()) if value != ""]
