"""What the benchmarks of the API do inside a database of their own."""

from collections.abc import Callable

from django.db import connection

from trending.models import QC1Parameter, QC1Row, QC1Value, Series

from .qc1_parts import bench_table

# Seven parameters of four detectors in two modes: the numbers of an export of twelve columns.
PARAMETERS, DETECTORS, MODES = 7, 4, 2
_ROWS, _VALUES = QC1Row._meta.db_table, QC1Value._meta.db_table


def _fill(n_rows: str, n_parameters: str = str(PARAMETERS)) -> str:
    """Write rows in the order of time, 2 % of the values outside their limits."""
    if QC1Row.objects.exists():
        return "filled"
    table = bench_table()
    setups = [table.setups.create(text=f"M{n}", values={"mode": f"M{n}"}).pk for n in range(MODES)]
    parameters = list(QC1Parameter.objects.filter(table=table, role="").order_by("order"))
    Series.objects.bulk_create(
        Series(parameter=parameter, setup_id=setup, detector=f"CHIP{n}")
        for parameter in parameters[: int(n_parameters)]
        for setup in setups
        for n in range(DETECTORS)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_ROWS} (table_id, setup_id, detector, mjd_obs, pro_catg, night, "  # noqa: S608  names are ours
            "is_current, state, origin, is_simulated, product_name, pipeline_version, "
            "content_digest, recorded_at) "
            "SELECT %s, CASE (n / %s) %% 2 WHEN 0 THEN %s ELSE %s END, 'CHIP' || n %% %s, "
            "50000 + (n / %s) * 0.017, 'MASTER', DATE '1995-10-10' + n / 5000, TRUE, 0, "
            "'import', TRUE, 'master_' || n || '.fits', 'bench/1.0', '', now() "
            "FROM generate_series(0, %s) AS n",
            [table.pk, DETECTORS, *setups, DETECTORS, DETECTORS, int(n_rows) - 1],
        )
        cursor.execute(
            f"INSERT INTO {_VALUES} "  # noqa: S608
            "(series_id, row_id, mjd_obs, value, text, missing_reason, score_result, state) "
            "SELECT s.id, r.id, r.mjd_obs, 100 + 3 * random(), '', '', "
            "CASE WHEN random() < 0.02 THEN 1 ELSE 0 END, 0 "
            f"FROM {_ROWS} AS r JOIN trending_series AS s "
            "ON s.setup_id = r.setup_id AND s.detector = r.detector ORDER BY r.id, s.id"
        )
    connection.commit()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {_VALUES}")
        cursor.execute(f"VACUUM ANALYZE {_ROWS}")
    return "filled"


def pivot_sql() -> str:
    """Return the query whose answer the export of twelve columns is, in SQL alone.

    Grouping all values by row is the fastest of the forms tried on a whole table: a join for each
    column takes three times as long.
    """
    numbers = ", ".join(
        f"max(x.value) FILTER (WHERE p.name = 'p{n}') AS p{n}" for n in range(PARAMETERS)
    )
    chosen = ", ".join(f"v.p{n}" for n in range(PARAMETERS))
    date = "to_char(timestamp '1858-11-17' + r.mjd_obs * interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS')"
    return (
        f"SELECT r.mjd_obs, {date} AS date_obs, r.night, r.detector, s.values->>'mode' AS mode, "  # noqa: S608
        f"{chosen} FROM {_ROWS} r JOIN trending_setup s ON s.id = r.setup_id "
        f"LEFT JOIN (SELECT x.row_id, {numbers} FROM {_VALUES} x "
        "JOIN trending_series e ON e.id = x.series_id "
        "JOIN trending_qc1parameter p ON p.id = e.parameter_id WHERE x.state IN (0, 4) "
        "GROUP BY x.row_id) v ON v.row_id = r.id "
        "WHERE r.table_id = (SELECT id FROM trending_qc1table WHERE name = 'bench_bias') "
        "AND r.is_current AND r.state IN (0, 4) ORDER BY r.mjd_obs, r.id"
    )


PARTS: dict[str, Callable[..., object]] = {"api-fill": _fill}
