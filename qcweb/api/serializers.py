"""The shapes of the API's answers."""

from typing import Any

from rest_framework import serializers

from trending.models import QC1Parameter, QC1Table


class ColumnSerializer(serializers.ModelSerializer[QC1Parameter]):
    parameter_class = serializers.CharField(help_text="KPI, HC, CAL or ENG")

    class Meta:
        model = QC1Parameter
        fields = ["name", "type", "unit", "role", "parameter_class", "description", "ucd"]


class TableSerializer(serializers.ModelSerializer[QC1Table]):
    instrument = serializers.CharField(source="instrument.name")
    columns = serializers.SerializerMethodField()
    n_rows = serializers.IntegerField(help_text="current rows")
    rows = serializers.SerializerMethodField(help_text="address of the rows")

    class Meta:
        model = QC1Table
        fields = ["name", "title", "description", "instrument", "n_rows", "rows", "columns"]

    def get_columns(self, table: QC1Table) -> list[dict[str, Any]]:
        active = [one for one in table.parameters.all() if one.is_active]
        return [dict(ColumnSerializer(one).data) for one in active]

    def get_rows(self, table: QC1Table) -> str:
        from django.urls import reverse

        return reverse("api:rows", args=[table.name])


class TablesSerializer(serializers.Serializer[Any]):
    tables = TableSerializer(many=True)


class RowColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField(help_text="float, integer, text, flag, date or instant")
    unit = serializers.CharField(allow_blank=True)
    role = serializers.CharField(allow_blank=True, help_text="filter: part of the set-up; or empty")
    parameter_class = serializers.CharField(
        allow_blank=True, help_text="KPI, HC, CAL or ENG; empty: every table has this column"
    )
    description = serializers.CharField(allow_blank=True)
    ucd = serializers.CharField(allow_blank=True)


class RowsSerializer(serializers.Serializer[Any]):
    table = serializers.CharField()
    columns = RowColumnSerializer(many=True)
    rows = serializers.ListField(
        child=serializers.DictField(),
        help_text="by column name; null where there is no value",
    )
    next = serializers.CharField(
        allow_null=True, help_text="address of the following rows, or null at the end"
    )


class RootSerializer(serializers.Serializer[Any]):
    tables = serializers.CharField()
    schema = serializers.CharField()


class TrendSeriesSerializer(serializers.Serializer[Any]):
    setup = serializers.DictField(child=serializers.CharField(), help_text="filter columns")
    detector = serializers.CharField(allow_blank=True)
    n = serializers.IntegerField(help_text="values there are")
    n_missing = serializers.IntegerField(help_text="measurements without a value")
    is_thinned = serializers.BooleanField(help_text="there are more values than are given")
    mjd_obs = serializers.ListField(child=serializers.FloatField(), help_text="MJD, UTC")
    value = serializers.ListField(child=serializers.FloatField())
    score = serializers.ListField(
        child=serializers.IntegerField(allow_null=True), help_text="0 OK, 1 NOK, null not scored"
    )
    row = serializers.ListField(child=serializers.IntegerField(), help_text="keys of the rows")


class TrendSerializer(serializers.Serializer[Any]):
    table = serializers.CharField()
    parameter = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    series = TrendSeriesSerializer(many=True)
