"""Which words push a CamemBERT tweet classifier towards which label, and whether they should.

This package is the shared contract (labels, text, bundle, store, catalogue, messages) and the command line.
It knows nothing of training, ONNX export, bulk inference or attribution: those are the four stage folders beside it.
"""

__version__ = "0.1.0"
