"""Rows of ``dsp_quality``: one module per stage, each with ``rows(bench) -> list[Row]``."""
