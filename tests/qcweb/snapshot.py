"""A night that ran, kept to be put back before each test: the recipes run once."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection

APPS = ("pipelines", "trending", "certification")


@dataclass(frozen=True)
class Snapshot:
    """The rows of our own tables, and the products they tell of."""

    rows: dict[str, tuple[list[str], list[tuple[Any, ...]]]]
    products: Path

    @classmethod
    def take(cls) -> "Snapshot":
        kept = {}
        with connection.cursor() as cursor:
            for model in _models():
                table = model._meta.db_table
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                if rows := cursor.fetchall():
                    kept[table] = ([column[0] for column in cursor.description], rows)
        products = Path(tempfile.mkdtemp(prefix="products-", dir=settings.HCM_DATA_DIR))
        shutil.copytree(settings.HCM_DATA_DIR / "products", products, dirs_exist_ok=True)
        return cls(kept, products)

    def put_back(self) -> None:
        """Write the rows into empty tables, with the keys they had."""
        # Another test may have made, or cleared away, files of the same keys.
        shutil.copytree(self.products, settings.HCM_DATA_DIR / "products", dirs_exist_ok=True)
        quote = connection.ops.quote_name
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for table, (columns, rows) in self.rows.items():
                names = ", ".join(quote(column) for column in columns)
                places = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({places})", rows)
            for statement in connection.ops.sequence_reset_sql(no_style(), _models()):
                cursor.execute(statement)


def _models():
    return [
        model
        for label in APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]
