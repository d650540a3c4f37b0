"""Stage 3: streams of tweets become predictions in the store, in bulk, resumable, nothing lost."""
