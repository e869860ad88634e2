"""Measurements: ``python -m tests.bench`` runs them and keeps a log. Each file has ``run(short) -> list[dict]``."""
