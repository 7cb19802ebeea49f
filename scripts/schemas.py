"""Write the files that are made from the models: `python -m scripts.schemas`."""

from __future__ import annotations

from pathlib import Path

from schema.describe import files

ROOT = Path(__file__).resolve().parent.parent


def write(root: Path) -> list[Path]:
    """Write each file under `root`; gives the paths that changed."""
    changed = []
    for name, content in files().items():
        path = root / name
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write(ROOT):
        print(path.relative_to(ROOT))
