"""A door for callers without gRPC: the Open Inference Protocol's REST form, and POST /classify."""
