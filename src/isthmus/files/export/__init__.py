"""Maps that travel: a fitted model as ONNX, as arrays for NumPy, or as C."""
