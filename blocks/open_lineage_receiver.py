"""Where OpenLineage events of runs go: a receiver over HTTP, or a file.

Promise: without this block no event is made. The key of a receiver is in no log and no message.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.transport.transport import Transport
from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator

from blocks.prefect_ui.block_type_descriptions import BLOCK_DOCUMENTATION, STORAGE_LOGO

__all__ = ["OpenLineageReceiver"]


class OpenLineageReceiver(Block):
    """Who hears of runs in OpenLineage's words: Marquez, DataHub, OpenMetadata, or a file.

    Example:
        ```python
        from blocks.open_lineage_receiver import OpenLineageReceiver

        receiver = OpenLineageReceiver.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Strandline OpenLineage Receiver"
    _block_type_slug = "strandline-open-lineage-receiver"
    _documentation_url: ClassVar[HttpUrl] = BLOCK_DOCUMENTATION
    _logo_url: ClassVar[HttpUrl] = STORAGE_LOGO

    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]",
        description="The receiver's address, without the path of its endpoint.",
    )
    endpoint: str = Field(
        default="api/v1/lineage", description="The path to which events are posted."
    )
    api_key: SecretStr | None = Field(
        default=None, description="Sent as a bearer token; none if the receiver wants none."
    )
    timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="How long a run waits for the receiver, per event."
    )
    file: Path | None = Field(
        default=None, description="Instead of a receiver: a file, to which each event is a line."
    )
    namespace: str = Field(
        default="strandline", min_length=1, description="The namespace of the jobs."
    )

    @model_validator(mode="after")
    def _is_one(self) -> OpenLineageReceiver:
        if (self.url is None) == (self.file is None):
            message = "one of url and file goes here"
            raise ValueError(message)
        if self.file is not None and self.api_key is not None:
            message = "api_key is of a receiver: leave it out"
            raise ValueError(message)
        return self

    def transport(self) -> Transport:
        """The package's transport; an event is sent once, so that a run does not wait for long."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            return FileTransport(FileConfig(log_file_path=str(self.file), append=True))
        auth = {}
        if self.api_key is not None:
            auth = {"auth": {"type": "api_key", "apiKey": self.api_key.get_secret_value()}}
        settings = {
            "url": self.url,
            "endpoint": self.endpoint,
            "timeout": self.timeout_seconds,
            "retry": {"total": 0},
            **auth,
        }
        return HttpTransport(HttpConfig.from_dict(settings))
