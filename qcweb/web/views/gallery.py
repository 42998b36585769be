"""Pictures of products: of one night beside each other, and each by its address."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from pipelines.models import AssociationBlock, Preview, Product
from pipelines.services.differences import difference
from pipelines.services.previews import previous_certified
from pipelines.services.quicklook import NoPictureError
from qcweb.board import make_board
from qcweb.problems import Problem, ProblemError
from qcweb.web.previews import views_of
from qcweb.web.views.nights import find_instrument, parse_night

KINDS = ("image", "difference")
# Products of a night that are shown on one page.
MOST = 200


def gallery(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    """Show the pictures of a night's products, block by block."""
    found, day = find_instrument(instrument), parse_night(night)
    blocks = list(
        AssociationBlock.objects.of_night(instrument, day).exclude(current_attempt=None)
        .select_related("current_attempt", "blocked_by").in_cascade_order()
    )  # fmt: skip
    products = list(
        Product.objects.filter(attempt__in=[one.current_attempt_id for one in blocks])
        .order_by("attempt_id", "name")[: MOST + 1]
    )  # fmt: skip
    views = views_of(products[:MOST])
    rows = {row.block.pk: row for row in make_board(blocks, timezone.now()).rows}
    shown = [
        (block, rows[block.pk], [
            (product, views.get(product.pk, []))
            for product in products[:MOST] if product.attempt_id == block.current_attempt_id
        ])
        for block in blocks
    ]  # fmt: skip
    return render(
        request,
        "gallery.html",
        {
            "instrument": found,
            "night": day,
            "shown": [one for one in shown if one[2]],
            "is_cut": len(products) > MOST,
            "most": MOST,
            "n_waiting": sum(one.current_attempt.previewed_at is None for one in blocks
                             if one.current_attempt),
            "are_made": settings.HCM_PREVIEWS,
        },
    )  # fmt: skip


def picture(request: HttpRequest, pk: int, hdu: int, kind: str) -> HttpResponse:
    """Send one picture of a product; `?from=` asks for the difference from that certified one."""
    if kind == "difference" and "from" in request.GET:
        return _sent(_difference(pk, hdu, request.GET["from"]))
    preview = Preview.objects.filter(product=pk, hdu=hdu).first() if kind in KINDS else None
    root = Path(settings.HCM_DATA_DIR).resolve()
    below = preview.files.get(kind) if preview else None
    path = (root / below).resolve() if below else root
    if not path.is_file() or not path.is_relative_to(root / "previews"):
        raise ProblemError(
            Problem(404, "No picture", f"Product {pk} has no picture {kind} of HDU {hdu}.",
                    hint=f"Known are {', '.join(KINDS)}; they are made some seconds after a run.")
        )  # fmt: skip
    return _sent(path.read_bytes())


def _sent(png: bytes) -> HttpResponse:
    response = HttpResponse(png, content_type="image/png")
    response["Cache-Control"] = "private, max-age=86400"
    return response


def _difference(pk: int, hdu: int, reference: str) -> bytes:
    """Return the difference from the last certified product: of no other pair is one made."""
    preview = (
        Preview.objects.filter(product=pk, hdu=hdu)
        .select_related("product__attempt__block__instrument").first()
    )  # fmt: skip
    before = None
    if preview is not None:
        product = preview.product
        before = previous_certified(product.attempt.block, product)
    if preview is None or before is None or str(before.pk) != reference:
        raise ProblemError(
            Problem(404, "No difference", f"{reference[:20]!r} is not the last certified product "
                    f"of the kind of product {pk}.", where="from",
                    hint="The page of its block names the one it is compared with.")
        )  # fmt: skip
    try:
        return difference(preview, before)
    except NoPictureError as error:
        raise ProblemError(Problem(404, "No difference", str(error))) from error
