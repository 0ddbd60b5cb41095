"""ONNX files, run by ONNX Runtime or as a torch module."""
