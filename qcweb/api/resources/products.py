"""Products: the files that recipes made, and where each can be had."""

from typing import Any

from django.db.models import F, Q, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.models import Outcome, Product
from qcweb import parameters
from qcweb.api import filters
from qcweb.api.fields import UT, Address, Instant, Number
from qcweb.api.filters import Nights, OfInstrument, Span, Words, flag
from qcweb.api.house import HouseView, refuse_foreign, unknown
from qcweb.api.listing import Listing, ListView, Order, instant, number

from . import long_columns


class ProductSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="number of the product")
    pro_catg = serializers.CharField(help_text="its category: MASTER_BIAS")
    name = serializers.CharField(help_text="the recipe's name for it")
    size = serializers.IntegerField(help_text="in bytes")
    data_md5 = serializers.CharField(help_text="sum of its data units, or empty")
    block = serializers.CharField(source="attempt.block.ab_name", help_text="block it is of")
    instrument = serializers.CharField(
        source="attempt.block.instrument.name", help_text="of the block"
    )
    night = serializers.DateField(source="attempt.block.night", help_text="of the block")
    raw_type = serializers.CharField(source="attempt.block.raw_type", help_text="of the block")
    setup = serializers.CharField(source="attempt.block.setup", help_text="of the block")
    recipe = serializers.CharField(source="attempt.recipe", help_text="what made it")
    pipeline_version = serializers.CharField(
        source="attempt.pipeline_version", help_text="of which version"
    )
    mjd_obs = Number(
        source="attempt.block.mjd_obs", help_text="start of the block, MJD in days, UT"
    )
    date_obs = UT(source="attempt.block.mjd_obs", help_text="the same as date and time, UT")
    attempt = serializers.IntegerField(source="attempt.number", help_text="run that made it")
    is_current = serializers.SerializerMethodField(help_text="of the run that counts")
    is_certified = serializers.SerializerMethodField(
        help_text="of the run that counts, and certified by the system or a person"
    )
    recorded_at = Instant(help_text="when it was made, UT")
    address = Address("api:product", "pk", help_text="address of this product here")
    download = Address("product", "pk", help_text="address of the file")
    page = Address("block", "attempt__block__ab_name", help_text="address of the block's page")

    def get_is_current(self, product: Product) -> bool:
        return product.attempt.block.current_attempt_id == product.attempt_id

    def get_is_certified(self, product: Product) -> bool:
        return self.get_is_current(product) and product.attempt.block.is_certified


class PreviewSerializer(serializers.Serializer[Any]):
    """A small look at one image of a product."""

    hdu = serializers.IntegerField(help_text="number of the HDU, from 0")
    extname = serializers.CharField(help_text="name of the HDU, or empty")
    facts = serializers.JSONField(help_text="what it shows in numbers: shape, levels, median")
    picture = serializers.SerializerMethodField(help_text="address of the picture, a PNG")

    def get_picture(self, preview: Any) -> str | None:
        if "image" not in preview.files:
            return None
        return reverse("product-look", args=[preview.product_id, preview.hdu, "image"])


class OneProductSerializer(ProductSerializer):
    outcome = serializers.ChoiceField(
        Outcome.choices, source="attempt.outcome", help_text="what came of its run"
    )
    parameters = serializers.ListField(
        child=serializers.CharField(), source="attempt.parameters",
        help_text="arguments the recipe was given",
    )  # fmt: skip
    previews = PreviewSerializer(many=True, help_text="small looks at its images")


def _known() -> QuerySet[Product]:
    return Product.objects.select_related("attempt__block__instrument").defer(
        *long_columns.of("attempt", long_columns.ATTEMPT),
        *long_columns.of("attempt__block", long_columns.BLOCK),
        *long_columns.of("attempt__block__instrument", long_columns.INSTRUMENT),
    )


IS_CURRENT = Q(attempt__block__current_attempt=F("attempt"))


class ProductsView(ListView):
    """Files that recipes made, of all runs; each with the address where it can be had."""

    listing = Listing(
        collection="products",
        rows=_known,
        serializer=ProductSerializer,
        orders={
            "id": Order("pk", int),
            "mjd_obs": Order("attempt__block__mjd_obs", number),
            "recorded_at": Order("recorded_at", instant),
            "pro_catg": Order("pro_catg", str),
        },
        instrument="attempt__block__instrument__name",
        filters=[
            OfInstrument(column="attempt__block__instrument__name"),
            Nights("attempt__block__night"),
            Span("attempt__block__mjd_obs", "Start of the block, UT"),
            filters.raw_type("attempt__block__raw_type"),
            Words("setup", "Set-up of the block", "attempt__block__setup"),
            Words("pro_catg", "Its category: MASTER_BIAS", "pro_catg"),
            Words("recipe", "Name of the recipe", "attempt__recipe"),
            Words("block", "Name of a block", "attempt__block__ab_name"),
            flag("is_current", "Whether it is of the run that counts", IS_CURRENT),
            flag("is_certified", "Whether it is of the run that counts, and certified",
                 IS_CURRENT & Q(attempt__block__is_certified=True)),
        ],
    )  # fmt: skip


class ProductView(HouseView):
    """One product, with how it was made and where it can be had."""

    @extend_schema(operation_id="products_one", responses=OneProductSerializer)
    def get(self, request: Request, id: int) -> Response:
        parameters.check_known(request.GET, ("format",))
        found = _known().prefetch_related("previews").filter(pk=id).first()
        if found is None:
            raise unknown("product", id, "id", "Find it among the products.")
        refuse_foreign(request, found.attempt.block.instrument.name)
        return Response(OneProductSerializer(found).data)
