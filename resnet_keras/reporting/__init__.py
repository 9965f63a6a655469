"""Figures, tables and one HTML page, drawn from files that runs wrote.

Drawing never trains and imports neither TensorFlow nor Keras.
"""
