"""What the pipelines do, as verbs: load an instrument, ingest frames, organise, process."""
