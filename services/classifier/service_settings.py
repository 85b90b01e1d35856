"""What the classifier is told from outside, beside what every service is."""

from typing import Literal

from pydantic import Field

from defectory.settings import ServiceSettings

Role = Literal["both", "serve", "work"]


class ClassifierSettings(ServiceSettings):
    """Settings of the classifier."""

    role: Role = Field(
        "both",
        description="serve: only answers at once, of loaded models; work: only trains, evaluates, scores and the like; "
        "both",
    )
    weights: str = Field("", description="ImageNet weights file of MobileNetV2, or starter")
    shared: str = Field("", description="folder of shared data, searched for weights")
    explainer_address: str = Field("", description="host:port of the explainer, for heatmaps")
    rest_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="port of the Open Inference Protocol's REST form and of POST /classify; 0: none",
    )
    models: str = Field("", description="NAME[=VERSION],… that are served; empty: every model")
    engine: Literal["auto", "openvino", "openvino-bf16", "onnxruntime", "tensorflow"] = Field(
        "auto", description="what computes answers; auto: openvino where it is installed, else onnxruntime"
    )
    threads: int = Field(0, ge=0, le=1024, description="cores that compute answers; 0: all")
    queue: int = Field(256, ge=1, le=4096, description="images that wait for an answer at most")
    poll_s: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="seconds between looks for new versions; 0: only when one is asked for",
    )
