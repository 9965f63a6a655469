"""A client of TensorFlow Serving: predictions and a load test. It does not import TensorFlow."""
