"""Stage 2: a bundle's checkpoint becomes ONNX graphs, and what they change is measured."""
