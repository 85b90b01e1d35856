"""A memory of good parts, whose distance tells a defect: no defect is needed, and nothing is trained.

PatchCore (Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265) with MobileNetV2.
"""
