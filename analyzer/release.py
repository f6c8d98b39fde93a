"""Which release this is: part of what a run is made of."""

RELEASE = "0.1.0"
