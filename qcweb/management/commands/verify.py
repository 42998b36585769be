"""Looks whether all registered frames and products are where they should be."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from pipelines.models import Root
from pipelines.services.roots import Inspection, RootError, find_root, verify_products, verify_root
from qcweb.management.base import DatabaseCommand


class Command(DatabaseCommand):
    help = (
        "Look at every registered frame and product on disk. Frames gone are marked and shown as "
        "such; the exit status is 1 when anything is missing or changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--root", metavar="NAME", help="only the frames of one root")
        parser.add_argument(
            "--checksums", action="store_true", help="read every file and compare its SHA-256"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            roots = [find_root(options["root"])] if options["root"] else list(Root.objects.all())
        except RootError as error:
            raise CommandError(str(error)) from error
        lacking = 0
        for root in roots:
            found = verify_root(root, timezone.now(), with_checksums=options["checksums"])
            lacking += self._say(f"{root.name} ({root.path})", "frames", found)
        if not options["root"]:
            lacking += self._say(
                "products", "files", verify_products(with_checksums=options["checksums"])
            )
        if lacking:
            raise CommandError(f"{lacking} files are missing or changed.")

    def _say(self, where: str, what: str, found: Inspection) -> int:
        for lack in found.lacks:
            self.stderr.write(str(lack))
        back = f", {found.n_back} back" if found.n_back else ""
        back += f", {found.n_unknown} without a checksum yet" if found.n_unknown else ""
        self.stdout.write(
            f"{where}: {found.n_files} {what}, {len(found.lacks)} missing or changed{back}"
        )
        return len(found.lacks)
