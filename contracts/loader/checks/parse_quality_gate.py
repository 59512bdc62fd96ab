"""The `quality` of a contract's extension: when a batch is published, and its unusual rows."""

from __future__ import annotations

from datetime import timedelta

from contracts.loader.checks.checked_table import Word, read_severity
from contracts.loader.parse_durations import duration
from contracts.model import AnomalySettings, Feature, QualityGate
from contracts.yaml_reading.yaml_section import Section

_KEYS = ("threshold", "refused_percent", "critical_null_percent", "held_for", "anomalies")
_ANOMALY_KEYS = ("features", "exclude", "severity", "weight", "minimum_rows", "sample_rows")
_LEAST_ROWS = 1_000
_MOST_SAMPLED = 1_000_000


def read_quality_gate(extension: Section) -> QualityGate:
    """The gate; what the section lacks has its default."""
    section, default = extension.child("quality"), QualityGate()
    if section is None:
        return default
    section.only(_KEYS)
    return QualityGate(
        threshold=section.number("threshold", default=default.threshold, high=1.0),
        refused_percent=section.number(
            "refused_percent", default=default.refused_percent, high=100
        ),
        critical_null_percent=section.number(
            "critical_null_percent", default=default.critical_null_percent, high=100
        ),
        held_for=_held_for(section, default.held_for),
        anomalies=_anomalies(section),
    )


def _held_for(section: Section, default: timedelta) -> timedelta:
    text = section.text("held_for", default="")
    length = duration(text) if text else default
    if length is None:
        section.problem("held_for", "must be a number and a unit of time", "such as 30 days")
    return length or default


def _anomalies(quality: Section) -> AnomalySettings | None:
    section, default = quality.child("anomalies"), AnomalySettings()
    if section is None:
        return None
    section.only(_ANOMALY_KEYS)
    return AnomalySettings(
        features=tuple(_feature(item) for item in section.children("features")),
        exclude=section.texts("exclude", default=()),
        severity=read_severity(section, Word.WARNING),
        weight=section.number("weight", default=default.weight, high=1.0),
        minimum_rows=section.integer("minimum_rows", default=default.minimum_rows, low=_LEAST_ROWS),
        sample_rows=section.integer(
            "sample_rows", default=default.sample_rows, low=_LEAST_ROWS, high=_MOST_SAMPLED
        ),
    )


def _feature(section: Section) -> Feature:
    section.only(("name", "column", "from", "to"))
    if section.has("column"):
        for key in ("from", "to"):
            if section.has(key):
                section.problem(key, "a feature is a column or a time span", "leave one out")
        column = section.text("column")
        return Feature(section.text("name", default=column), (column,))
    columns = (section.text("from"), section.text("to"))
    return Feature(section.text("name", default="_to_".join(columns)), columns)
