"""Asks a classifier of Defectory over gRPC."""

from defectory_client.client import Classification, Client, Failed
from defectory_client.protos import message

__all__ = ["Classification", "Client", "Failed", "message"]
