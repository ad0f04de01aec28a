"""The contract kit: what each kind of component promises, as pytest classes to subclass.

A connector's test is a subclass and a fixture. What the component claims in its `Capabilities`
decides which promises are tested; the others are skipped with the reason::

    class TestMemorySink(SinkContract):
        @pytest.fixture
        def target(self):
            stored = []
            return SinkTarget(
                make=lambda app, pipeline: MemorySink(app, pipeline, stored),
                stored=lambda: stored,
            )
"""

from . import _rewrite  # noqa: F401 - before the modules it is about
from .base import Contract, does_not_apply
from .codec import CodecContract, CodecTarget
from .dead_letters import DeadLetterContract
from .epoch_sink import EpochSinkContract
from .lookup import LookupContract, LookupTarget
from .processor import ProcessorContract, ProcessorTarget
from .sink import SinkContract, SinkTarget
from .source import SourceContract, SourceTarget
from .state import StateStoreContract
from .state_target import StateStoreTarget

__all__ = [
    "CodecContract",
    "CodecTarget",
    "Contract",
    "DeadLetterContract",
    "EpochSinkContract",
    "LookupContract",
    "LookupTarget",
    "ProcessorContract",
    "ProcessorTarget",
    "SinkContract",
    "SinkTarget",
    "SourceContract",
    "SourceTarget",
    "StateStoreContract",
    "StateStoreTarget",
    "does_not_apply",
]
