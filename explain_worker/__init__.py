"""Explains labels: Integrated Gradients of the served model, summed over whole French words.

Takes names of request batches from a queue, reads and writes the store, and knows no other stage. Importing it
imports neither torch nor celery.
"""
