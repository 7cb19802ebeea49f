"""Poisoned uploads: the child that reads dies alone, and what is wrong is told by row and column, or in a sentence."""

from __future__ import annotations

import re

import pytest

from exchange.reading import Reading
from schema.errors import Malformed
from tests.proof import figure
from tests.unit.exchange.making import read
from tests.unit.exchange.uploads import Upload, every

UPLOADS = every()


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda one: one.name)
def test_t29_a_poisoned_upload_is_told_of_and_harms_nobody(upload: Upload) -> None:
    """Each file is refused with a sentence that says why, or read with its faults told by row and column."""
    if upload.refused:
        with pytest.raises(Malformed, match=upload.says):
            read(upload.body)
        return
    reading = read(upload.body)
    assert len(reading.records) == upload.records
    assert not any(b"root:" in record.body for record in reading.records)
    if upload.row is None:
        assert not [fault for fault in reading.report.problems if fault.severity == "error"]
        return
    assert _told(reading, upload), reading.report.problems


def _told(reading: Reading, upload: Upload) -> bool:
    return any(
        (fault.row, fault.column) == (upload.row, upload.column) and re.search(upload.says, fault.message)
        for fault in reading.report.problems
    )


@pytest.mark.proof
def test_t29_there_are_eighty_poisoned_uploads() -> None:
    """The files are as many as are promised, and no two are the same."""
    bodies = {upload.body for upload in UPLOADS}
    figure("T29", "poisoned uploads, each told of, the reader alive", len(bodies), goal="80")
    assert len(bodies) >= 80
