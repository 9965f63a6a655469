"""The run folder and its files: config.json, metrics.csv, the lock, and reading them back."""
