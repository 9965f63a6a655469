"""Evaluation of trained networks: error, views, ensembles and layer responses."""

# What `--views` offers: the centre crop; ten crops; the whole image at five scales. The names are
# here so that the command line can list them without importing TensorFlow.
VIEWS = ("center", "10crop", "multiscale")
