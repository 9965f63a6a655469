"""The client of a TensorFlow Serving server: predictions and a load test, without TensorFlow."""
