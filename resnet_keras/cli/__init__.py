"""The command line: one file per command, with `HELP`, `configure(parser)` and `run(args)`."""
