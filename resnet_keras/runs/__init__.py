"""Run folders: the names of their files, `config.json`, `metrics.csv`, and finished runs."""
