"""The product's settings in a directory of their own; nothing of the product is switched off."""

import os
import tempfile

# Each test process has a data directory of its own, outside the tree.
os.environ["HCM_DATA_DIR"] = tempfile.mkdtemp(prefix="hcm-tests-")
os.environ.setdefault("HCM_RETRY_S", "0.1")
# Tests ask as fast as they can; those of the limits switch them on.
os.environ["HCM_RATE_TOKEN"] = os.environ["HCM_RATE_ADDRESS"] = ""

from qcweb.settings import *  # noqa: F403
from qcweb.settings import STATIC_ROOT

STATIC_ROOT.mkdir()

# Hashing passwords slowly is the product's business, not the tests'.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Pages refer to static files that no collectstatic has gathered.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
