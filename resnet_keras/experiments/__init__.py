"""The comparisons of the paper: lists of recipes, and a launcher that trains them."""
