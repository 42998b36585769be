"""Looks whether a product on disk is still the one that its run made."""

from pathlib import Path

from astropy.utils.exceptions import AstropyWarning
from django.conf import settings

from pipelines.fits import FitsError, read_fits
from pipelines.models import Product
from pipelines.recipes.verify import verify_sums


def why_unusable(product: Product) -> str:
    """Say in what a product differs from what was made: its size, the sums of its data."""
    path = Path(settings.HCM_DATA_DIR) / product.path
    try:
        size = path.stat().st_size
        if size != product.size:
            return f"has {size} bytes, made with {product.size}"
        found = read_fits(path, {"DATAMD5"})
        verify_sums(path)
    except FileNotFoundError:
        return "is not on disk"
    except FitsError as error:
        return f"is damaged: {error.reason}"
    except (OSError, ValueError, TypeError, LookupError, AstropyWarning) as error:
        return f"cannot be read: {error or type(error).__name__}"
    if found.problem:
        return f"is {found.problem}"
    is_same = str(found.keywords.get("DATAMD5", "")) == product.data_md5
    return "" if is_same else "holds other data than were made (DATAMD5)"
