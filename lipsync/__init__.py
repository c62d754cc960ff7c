"""The small real-time network: features, training, export, inference.

Needs torch (training) or onnxruntime (inference) and numpy, never the vocoders.
"""
