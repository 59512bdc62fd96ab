"""What the staging of source rows is given beside the rows and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import DataFrame

from tasks.transforms.subject_keys import SubjectKeys


@dataclass(frozen=True, slots=True)
class Origin:
    """The values of the columns that come from the run, and not from the row.

    Attributes:
        batch_id: The batch.
        taken_at: When it was taken; timezone-aware.
        target: What tokens and pseudonyms are bound to.
        read_at: The instant of the read, by the source's clock; timezone-aware.
        watermark_limit: No watermark is accepted beyond it; timezone-aware.
        read_until: Rows whose watermark is at or before it were read and checked by an earlier
            batch: they are checked, but not counted, again. So are rows without a watermark, and
            those whose watermark lies after the read, which every batch reads. None: all count.
        fingerprinted: The tracked columns that the fingerprint is made of; None: all of them.
        one_row_a_key: The source itself has no two rows of one key.
        stages_all_keys: The keys of ignored and repeated rows are staged too.
        carried: Columns of the rows, beside those of the source, that the stage gets as they are.
        read_column: The one of them with the instant at which each row was read; None: all are
            read now.
    """

    batch_id: str
    taken_at: datetime
    target: str
    read_at: datetime
    watermark_limit: datetime
    read_until: datetime | None = None
    fingerprinted: tuple[str, ...] | None = None
    one_row_a_key: bool = True
    stages_all_keys: bool = False
    carried: tuple[str, ...] = ()
    read_column: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What source rows are compared with.

    Attributes:
        references: The relations that checks refer to, by name.
        open_versions: Open versions of the target (key, sequence, fingerprint and overwritten
            columns); a row that equals one is not staged. None: all rows are staged.
        erased: The digests of persons whose rows may not be kept, by the subject columns that
            named them; each frame has the column `SUBJECT_DIGEST`, without repetitions.
        retired: The records that retention has retired, and until when, as
            `tasks.transforms.record_digests.with_retired` takes them. None: there is none.
        subject_keys: The keys of persons, where the contract has each encrypted with their own.
    """

    references: Mapping[str, DataFrame] = field(default_factory=dict)
    open_versions: DataFrame | None = None
    erased: Mapping[tuple[str, ...], DataFrame] = field(default_factory=dict)
    retired: DataFrame | None = None
    subject_keys: SubjectKeys | None = None
