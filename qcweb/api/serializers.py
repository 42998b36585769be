"""The shapes of the API's answers."""

from typing import Any

from rest_framework import serializers

from trending.models import QC1Parameter, QC1Table

from .fields import Address


class ColumnSerializer(serializers.ModelSerializer[QC1Parameter]):
    name = serializers.CharField(help_text="name of the column, and of the parameter")
    type = serializers.CharField(help_text="float, text or flag")
    unit = serializers.CharField(help_text="unit of its values, or empty")
    role = serializers.CharField(help_text="filter: part of the set-up; empty: a value")
    parameter_class = serializers.CharField(help_text="KPI, HC, CAL or ENG")
    description = serializers.CharField(help_text="what it is")
    ucd = serializers.CharField(help_text="IVOA's word for it, or empty")

    class Meta:
        model = QC1Parameter
        fields = ["name", "type", "unit", "role", "parameter_class", "description", "ucd"]


class TableSerializer(serializers.ModelSerializer[QC1Table]):
    name = serializers.CharField(help_text="name of the table")
    title = serializers.CharField(help_text="what it holds, in words")
    description = serializers.CharField(help_text="what it holds, at length, or empty")
    instrument = serializers.CharField(source="instrument.name", help_text="of which instrument")
    n_rows = serializers.IntegerField(help_text="current rows")
    rows = Address("api:rows", "name", help_text="address of its rows")
    address = Address("api:table", "name", help_text="address of this table here")
    page = Address("table", "name", help_text="address of its page")
    columns = ColumnSerializer(many=True, source="columns_in_use", help_text="in their order")

    class Meta:
        model = QC1Table
        fields = [
            "name", "title", "description", "instrument", "n_rows", "rows", "address", "page",
            "columns",
        ]  # fmt: skip


class RowsSerializer(serializers.Serializer[Any]):
    table = serializers.CharField(help_text="name of the table")
    columns = ColumnSerializer(many=True, help_text="in the order of a row")
    rows = serializers.ListField(
        child=serializers.DictField(),
        help_text="by column name; null where there is no value",
    )
    next = serializers.CharField(
        allow_null=True, help_text="address of the following rows, or null at the end"
    )
