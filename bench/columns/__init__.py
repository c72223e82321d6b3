"""Columns of products' schemas, labelled by hand, with values that they would hold."""
