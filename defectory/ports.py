"""The services, and the ports that they have where none are given."""

DEFAULT_PORTS = {"generator": 50051, "classifier": 50052, "filter": 50053, "explainer": 50054}
DEFAULT_METRICS_PORTS = {"generator": 9101, "classifier": 9102, "filter": 9103, "explainer": 9104}
