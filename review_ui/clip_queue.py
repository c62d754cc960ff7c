"""The clips that wait for a person, ranked as the triage stage left them, and their sound.

Opening reads the small tables of `datasets/triage` alone. A clip is read when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from clips import BadInput, Clip, Segment, unit_hash
from clips.store import from_row, opened_table, read_rows

SHEET_DOUBT = 0.5
"""Clips up to this doubt are shown a dozen at a time, others one by one."""

COLUMNS = pa.schema(
    {
        **dict.fromkeys(
            (
                "clip_id",
                "status",
                "basis",
                "reason",
                "labels",
                "split",
                "folder",
                "reviewer",
                "lot",
            ),
            pa.string(),
        ),
        **dict.fromkeys(("doubt", "seconds"), pa.float64()),
        **dict.fromkeys(("row", "worst_start", "worst_end", "lot_sample"), pa.int64()),
    }
)
"""What is read of the triage stage's tables."""

_CLIPS = 64  # kept in memory: about 16 MB of 4 s clips


class Moved(BadInput):
    """A clip's data has changed, or a stage is writing it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A clip in the queue.

    part: the name of its partition in `folder` (relative to the datasets), row: its row there.
    doubt: 0..1, with its reason. worst: samples (start, end) of what is most doubtful. labels: the
    digest of its labels. view: "sheet" or "one". lot: the lot that it is in, or "". status: as in
    the triage table, where published decisions have gone in already.
    """

    clip_id: str
    source: str
    part: str
    row: int
    seconds: float
    doubt: float
    reason: str
    worst: tuple[int, int]
    split: str
    labels: str
    view: str
    lot: str
    folder: str
    status: str


@dataclass(frozen=True, slots=True)
class Lot:
    """Near-certain clips that are approved together.

    members: in the order in which they are listened to, drawn once from their ids. sample: how
    many of them must be heard without a defect; drawn: the ids of these.
    """

    name: str
    members: tuple[Item, ...]
    sample: int
    drawn: frozenset[str]


class Queue:
    """Clips for review. items: ranked, waiting ones first; lots: by name.

    Besides what waits there are clips that a person decided (another may hear them too), and
    those that were approved by rule though their timing is not exact: these lie in lots, so that a
    person may check them.
    """

    def __init__(self, datasets: Path, items: Iterable[Item], samples: dict[str, int]) -> None:
        """samples: of each lot how many clips must be heard."""
        self.datasets = Path(datasets)
        self.items = tuple(sorted(items, key=_rank))
        self.by_id = {item.clip_id: item for item in self.items}
        members: dict[str, list[Item]] = {}
        for item in self.items:
            if item.lot:
                members.setdefault(item.lot, []).append(item)
        self.lots = {name: _lot(name, lot, samples[name]) for name, lot in sorted(members.items())}
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def from_folder(cls, datasets: Path) -> Queue:
        """The queue of `datasets`/triage. Raises BadInput if that stage has not run, or
        left something else."""
        items, samples = [], {}
        for path in sorted((Path(datasets) / "triage").glob("*/part-*.parquet")):
            for row in read_rows(path, COLUMNS.names, COLUMNS):
                if holes := [name for name, value in row.items() if value is None]:
                    raise BadInput(
                        f"a row has no {', '.join(holes)}",
                        where=str(path),
                        remedy="run `dvc repro triage` again",
                    )
                if row["lot"]:
                    samples[row["lot"]] = row["lot_sample"]
                waits = row["status"] == "waiting" and row["basis"] != "parent"
                if waits or row["lot"] or row["reviewer"]:
                    items.append(_item(path, row))
        if not (Path(datasets) / "triage").is_dir():
            raise BadInput(
                "does not exist",
                where=str(Path(datasets) / "triage"),
                remedy="run `make repro` first, or try `visemill review --demo`",
            )
        return cls(datasets, items, samples)

    def clip(self, item: Item) -> Clip:
        """The clip with its viseme track. Raises BadInput if the data has changed meanwhile."""
        with self._lock:
            if item.clip_id in self._clips:
                self._clips.move_to_end(item.clip_id)
                return self._clips[item.clip_id]
        clip = self._read(item)
        with self._lock:
            self._clips[item.clip_id] = clip
            while len(self._clips) > _CLIPS:
                self._clips.popitem(last=False)
        return clip

    def _read(self, item: Item) -> Clip:
        folder = (self.datasets / item.folder).resolve()
        if not folder.is_relative_to(self.datasets.resolve()):
            raise _moved(item, "its folder lies outside the datasets")
        try:
            row = _row_at(folder / item.part, item.row)
            track = _row_of(self.datasets / "visemes" / item.source / item.part, item.clip_id)
            clip = from_row(row).with_(
                visemes=tuple(Segment(**segment) for segment in track["visemes"])
            )
        except (BadInput, IndexError, KeyError, TypeError) as error:
            raise _moved(item, str(error).splitlines()[0]) from error
        if clip.clip_id != item.clip_id or clip.labels_digest() != item.labels:
            raise _moved(item, "its labels are no longer those of the triage table")
        return clip


def _item(path: Path, row: dict) -> Item:
    return Item(
        clip_id=row["clip_id"],
        source=path.parent.name,
        part=path.name,
        row=row["row"],
        seconds=row["seconds"],
        doubt=row["doubt"],
        reason=row["reason"],
        worst=(row["worst_start"], row["worst_end"]),
        split=row["split"],
        labels=row["labels"],
        view="sheet" if row["lot"] or row["doubt"] <= SHEET_DOUBT else "one",
        lot=row["lot"],
        folder=row["folder"],
        status=row["status"],
    )


def _lot(name: str, items: list[Item], sample: int) -> Lot:
    members = tuple(sorted(items, key=_draw))
    return Lot(name, members, sample, frozenset(item.clip_id for item in members[:sample]))


def _rank(item: Item) -> tuple:
    """What adds data comes first, then what is easiest to approve; equal doubts by lot."""
    return item.status != "waiting", item.doubt, _draw(item)


def _draw(item: Item) -> float:
    """By lot, the same on every machine."""
    return unit_hash(f"lot\x1f{item.clip_id}")


def _row_at(path: Path, number: int) -> dict:
    """One row of a Parquet file; only its row group is read."""
    with opened_table(path) as file:
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number < rows:
                return file.read_row_group(group).slice(number, 1).to_pylist()[0]
            number -= rows
    raise IndexError(f"{path.name} has no such row")


def _row_of(path: Path, clip_id: str) -> dict:
    """The row of a track partition that belongs to a clip."""
    with opened_table(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            at = pc.index(table["clip_id"], clip_id).as_py()
            if at >= 0:
                return table.slice(at, 1).to_pylist()[0]
    raise IndexError(f"{path.name} has no track of this clip")


def _moved(item: Item, what: str) -> Moved:
    return Moved(
        f"cannot be shown ({what})",
        where=item.clip_id,
        remedy="the data has changed: run `dvc repro triage`, then open the review page again",
    )
