"""Stage 1: a table of labelled tweets becomes a model bundle, evaluated on tweets that it never saw."""
