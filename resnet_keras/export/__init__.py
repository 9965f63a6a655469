"""Export of trained networks: the SavedModel, its model card and its warm-up requests."""
