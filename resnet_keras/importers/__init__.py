"""Importing weights that other libraries trained."""
