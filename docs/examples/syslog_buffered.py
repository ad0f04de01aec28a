"""Receives syslog, keeps it on disk until it is processed, and loses nothing when it is killed.

It listens on port 1514 of this machine. What has come is in `data/buffers` until a checkpoint
says that it is in the file.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.buffer
import bspump.file
import bspump.syslog


class Archive(bspump.Pipeline):
    """From messages to lines of JSON."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.buffer.DiskBufferSource(
                app,
                self,
                bspump.syslog.SyslogSource,
                config={"buffer.max_bytes": "1GiB", "context": "stream_peer, datagram"},
            ),
            bspump.file.FileSink(
                app, self, config={"path": "archive.ndjson", "codec": "json", "append": True}
            ),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication(["--set", "[general] var_dir=data", *sys.argv[1:]])
    application.PumpService.add_pipeline(Archive(application))
    sys.exit(application.run())
