"""What the `AnomalyDetector` can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Options


class ThresholdOptions(Options, frozen=True, kw_only=True):
    """From where on a score is an anomaly."""

    enter: Annotated[
        float,
        Meta(ge=0, description="Scores beyond it are anomalies; 0: the detector's usual one."),
    ] = 0.0
    leave_ratio: Annotated[
        float,
        Meta(ge=0, le=1, description="It is over when a score is at most this share of `enter`."),
    ] = 0.7
    rate: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="The share of scores that is wanted beyond `enter`, which follows the "
            "scores of all keys then, but is at least what is said; 0: it does not.",
        ),
    ] = 0.0


class IncidentOptions(Options, frozen=True, kw_only=True):
    """When an incident opens and closes; times are those of events."""

    min_events: Annotated[
        int, Meta(ge=1, description="So many anomalies without a break open one.")
    ] = 1
    min_duration: Annotated[
        Duration, Meta(description="So long they take at least, from the first to the last.")
    ] = 0.0
    cool_down: Annotated[
        Duration,
        Meta(description="It closes so long after the last anomaly; 0: when all is normal."),
    ] = 0.0
    repeat: Annotated[
        Duration, Meta(description="An open one is reported again after so long; 0: never.")
    ] = 0.0


class AnomalyOptions(Options, frozen=True, kw_only=True):
    """What is observed, by which detector, and what comes out."""

    detector: Annotated[
        Literal[
            "adwin",
            "ewma",
            "half_space_trees",
            "holt_winters",
            "page_hinkley",
            "robust_zscore",
            "seasonal",
            "zscore",
        ],
        Meta(description="The detector, where the program does not give one."),
    ] = "robust_zscore"
    parameters: Annotated[
        dict[str, Any],
        Meta(description="Arguments of the detector, such as `parameters.window = 500`."),
    ] = {}  # noqa: RUF012 - a struct copies it
    value: Annotated[
        str, Meta(description="The field with the number; several, separated by commas.")
    ] = "value"
    key: Annotated[
        str, Meta(description="The field by which models are kept; empty: one for all.")
    ] = ""
    group: Annotated[
        str, Meta(description="The field by which incidents are put together; empty: the key.")
    ] = ""
    time: Annotated[
        str,
        Meta(
            description="The field with the time of the event, Unix milliseconds; empty: that of"
            " its context."
        ),
    ] = ""
    learn: Annotated[
        Literal["usual", "after", "before", "normal"],
        Meta(
            description="Learn after scoring, before, or only what is normal; `usual`: before with "
            "detectors of drift, after with others."
        ),
    ] = "usual"
    adapt_after: Annotated[
        int,
        Meta(
            ge=1,
            description="With `learn = normal`: after so many anomalies of a key in a row they "
            "are learned, for this is what is normal now.",
        ),
    ] = 100
    warm_up: Annotated[
        int, Meta(ge=0, description="Observations of a key that are learned before it is scored.")
    ] = 30
    emit: Annotated[
        Literal["alerts", "events", "all"],
        Meta(
            description="What comes out: alerts; events, each with its score in `field`; or both."
        ),
    ] = "alerts"
    field: Annotated[str, Meta(min_length=1, description="Where events get their score.")] = (
        "anomaly"
    )
    max_keys: Annotated[
        int, Meta(ge=1, description="Keys at the most; that not seen for longest is dropped.")
    ] = 100_000
    threshold: ThresholdOptions = ThresholdOptions()
    incident: IncidentOptions = IncidentOptions()
