"""Imports weights that were trained with other libraries."""
