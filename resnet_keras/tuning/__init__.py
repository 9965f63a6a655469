"""The search for a recipe, and if asked a network, on held-out training images: keras-tuner."""
