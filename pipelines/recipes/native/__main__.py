"""The process: ``python -m pipelines.recipes.native RECIPE SOF --name=value ...``."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
