"""Networks that other frameworks run, as torch modules: ONNX Runtime, Jittor."""
