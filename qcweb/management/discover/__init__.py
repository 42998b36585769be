"""Proposes instrument folders from what is installed of ESO's pipelines."""
