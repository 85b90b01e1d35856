"""What the filter is told from outside, beside what every service is."""

from pydantic import Field

from defectory.settings import ServiceSettings


class FilterSettings(ServiceSettings):
    """Settings of the filter."""

    classifier_address: str = Field("127.0.0.1:50052", description="host:port of the classifier")
