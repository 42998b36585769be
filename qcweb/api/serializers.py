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


class RowColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="of the column")
    type = serializers.CharField(help_text="float, integer, text, flag, date or instant")
    unit = serializers.CharField(allow_blank=True, help_text="of its values; empty: none")
    role = serializers.CharField(allow_blank=True, help_text="filter: part of the set-up; or empty")
    parameter_class = serializers.CharField(
        allow_blank=True, help_text="KPI, HC, CAL or ENG; empty: every table has this column"
    )
    description = serializers.CharField(allow_blank=True, help_text="what it means")
    ucd = serializers.CharField(allow_blank=True, help_text="its UCD, or empty")


class RowsSerializer(serializers.Serializer[Any]):
    table = serializers.CharField(help_text="name of the table")
    columns = RowColumnSerializer(many=True, help_text="in the order of a row")
    rows = serializers.ListField(
        child=serializers.DictField(),
        help_text="by column name; null where there is no value",
    )
    next = serializers.CharField(
        allow_null=True, help_text="address of the following rows, or null at the end"
    )


class TrendSeriesSerializer(serializers.Serializer[Any]):
    setup = serializers.DictField(
        child=serializers.CharField(), help_text="values of the filter columns"
    )
    detector = serializers.CharField(allow_blank=True, help_text="detector, or empty")
    n = serializers.IntegerField(help_text="values there are in the range of time")
    n_missing = serializers.IntegerField(help_text="measurements without a value")
    n_outliers = serializers.IntegerField(
        help_text="values outside their limits; up to 2000 all of them are given"
    )
    is_thinned = serializers.BooleanField(help_text="there are more values than are given")
    mjd_obs = serializers.ListField(
        child=serializers.FloatField(), help_text="start of each, MJD, UTC"
    )
    value = serializers.ListField(
        child=serializers.FloatField(), help_text="the numbers, in the order of time"
    )
    score = serializers.ListField(
        child=serializers.IntegerField(allow_null=True),
        help_text="of each: 0 OK, 1 NOK, null not scored",
    )
    row = serializers.ListField(child=serializers.IntegerField(), help_text="keys of the rows")


class TrendSerializer(serializers.Serializer[Any]):
    table = serializers.CharField(help_text="name of the table")
    parameter = serializers.CharField(help_text="name of the column")
    unit = serializers.CharField(allow_blank=True, help_text="of the values; empty: none")
    description = serializers.CharField(allow_blank=True, help_text="what the parameter is")
    series = TrendSeriesSerializer(many=True, help_text="one for each set-up and detector")


class RowOutcomeSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField(help_text="its place in what was sent, from 1")
    outcome = serializers.CharField(help_text="new, replaced or unchanged")


class IngestedSerializer(serializers.Serializer[Any]):
    table = serializers.CharField(help_text="name of the table")
    n_new = serializers.IntegerField(help_text="rows that were not there")
    n_replaced = serializers.IntegerField(help_text="rows that took the place of others")
    n_unchanged = serializers.IntegerField(help_text="rows that were there already")
    rows = RowOutcomeSerializer(many=True, help_text="what became of each")


class RowsToStoreSerializer(serializers.Serializer[Any]):
    rows = serializers.ListField(
        child=serializers.DictField(),
        help_text="by column name: mjd_obs, detector, pro_catg and the columns of the table",
    )
