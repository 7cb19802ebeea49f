"""A crawl as a tutorial would write it: `sqlmodel_loop.py FILE URL`. Each record is asked for, then added or changed.

The same validation, a commit a page, no full-text index.
"""

from __future__ import annotations

import sys
import urllib.request

import orjson
from sqlmodel import Field, Session, SQLModel, create_engine, select

from schema.kinds import parse


class Records(SQLModel, table=True):
    """A record."""

    rid: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    kind: str = Field(index=True)
    publisher: str = Field(index=True)
    modified: int
    data: str


def main() -> None:
    """Read the feed to its end."""
    file, url = sys.argv[1:]
    engine = create_engine(f"sqlite:///{file}")
    SQLModel.metadata.create_all(engine)
    while True:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - loopback
            page = orjson.loads(answer.read())
        if not page["items"]:
            break
        with Session(engine) as session:
            for item in page["items"]:
                keep(session, item)
            session.commit()
        url = page["next"]


def keep(session: Session, item: dict[str, object]) -> None:
    """Validate one record, and add it or change the one that is there."""
    data = orjson.dumps(item["data"])
    parse(str(item["kind"]), data)
    held = session.exec(select(Records).where(Records.id == item["id"])).first()
    if held is None:
        origin = item["origin"]
        assert isinstance(origin, dict)
        held = Records(id=str(item["id"]), kind=str(item["kind"]), publisher=origin["publisher"], modified=0, data="")
    held.modified = int(str(item["modified"]))
    held.data = data.decode()
    session.add(held)


if __name__ == "__main__":
    main()
