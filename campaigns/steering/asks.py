"""What came of asking for the same again: tasks that differ in their seed alone are one ask, made several times.

An ask that was declined or gave what was there already mostly does so again, and cells cannot say it: the chunk and the
kind may both be fresh with others. How far that holds hangs on the model and on what is asked for, so it is learnt from
the campaign itself: of all asks with the same history, and of each cell beside them.
"""

from __future__ import annotations

from ...storage.records import Status, Task
from .books import Known
from .cells import Repeats

REMEMBERED = 200_000  # asks; those made longest ago are forgotten, and count as never made
MOST = 3  # ends of a sort that are told apart; more are the same as so many
FRESH = (0, 0, 0)
MEMORY = 200  # how many ends what is known of a history looks back over
AGAIN = 0.5  # what a repeat counts of what it is hoped to give, beside an ask that was never made
LEAST = 1e-6
PRIOR = 2.0  # ends that a history is taken to have had before its first, which did as those of a shorter history


class _Ask:
    """How often an ask was made, and how it ended."""

    __slots__ = ("accepted", "declined", "made", "repeated")

    def __init__(self) -> None:
        self.made = self.accepted = self.repeated = self.declined = 0

    @property
    def ended(self) -> int:
        """How many tasks of it ended and said something."""
        return self.accepted + self.repeated + self.declined


class _History:
    """What the next task of asks with a history gave on average, in [0, 1]; older ends fade."""

    __slots__ = ("_sum", "_weight", "mean")

    def __init__(self, mean: float) -> None:
        self.mean = mean
        self._sum, self._weight = mean * PRIOR, PRIOR

    def add(self, value: float) -> None:
        kept = 1.0 - 1.0 / MEMORY
        self._sum = self._sum * kept + value
        self._weight = self._weight * kept + 1.0
        self.mean = self._sum / self._weight


class Asks:
    """What the next task of an ask promises beside one that was never asked, in (0, 1].

    Asks of the same history (so often accepted, a duplicate, declined) are taken to do alike, and each cell of theirs
    so much better or worse as its repeats did so far. A fresh one promises 1, whatever it yields: what is easily
    accepted is not preferred, only what repeats in vain comes later. Where nothing repeats, asks still take turns: one
    that was planned n times promises no more than 1 / (1 + n) ^ rarity. What its history says is not lowered by its
    turn besides: an ask that gave twice would come after one that repeated once. `AGAIN` lowers all repeats alike, so
    that a rare cell's come after what was never asked of others.
    """

    def __init__(self, rarity: float) -> None:
        self._rarity = rarity
        self._asks: dict[int, _Ask] = {}
        self._after: dict[tuple[int, int, int], _History] = {FRESH: _History(1.0)}

    def made(self, key: int) -> int:
        """Returns how many tasks of an ask were planned."""
        ask = self._asks.get(key)
        return 0 if ask is None else ask.made

    def plan(self, key: int) -> None:
        """Counts a task of an ask as planned."""
        ask = self._asks.pop(key, None) or _Ask()
        ask.made += 1
        self._asks[key] = ask  # now the newest
        if len(self._asks) > REMEMBERED:
            del self._asks[next(iter(self._asks))]

    def end(self, key: int, status: Status, novelty: float | None, known: Known = ()) -> None:
        """Takes in what a task gave: its novelty where it was accepted, nothing where it was rejected for any reason.

        What failed says nothing.
        """
        ask = self._asks.get(key)
        if ask is None or status not in (Status.ACCEPTED, Status.REJECTED):
            return
        gave = 0.0 if status is Status.REJECTED else 1.0 if novelty is None else novelty
        if ask.ended:
            _repeated(known, gave, self._hope(ask, known))
        self._history(ask).add(gave)
        if status is Status.ACCEPTED:
            ask.accepted += 1
        else:
            ask.repeated += novelty is not None
            ask.declined += novelty is None

    def promise(self, key: int, known: Known = ()) -> float:
        """Returns what one more task of an ask promises, less the more were planned of it."""
        ask = self._asks.get(key)
        if ask is None:
            return 1.0
        return AGAIN * min(self._hope(ask, known), float((1 + ask.made) ** -self._rarity))

    def hope(self, key: int, known: Known = ()) -> float:
        """Returns what a task of an ask was to give, by how its tasks before it ended: what it lacks more than that is
        not to be laid to the ask."""
        ask = self._asks.get(key)
        return 1.0 if ask is None else self._hope(ask, known)

    def _hope(self, ask: _Ask, known: Known) -> float:
        fresh = self._after[FRESH].mean
        hope = self._history(ask).mean / fresh if fresh else 1.0
        if ask.ended:
            for _, cells in known:
                for cell in cells:
                    if cell.repeats is not None:
                        hope *= cell.repeats.factor
        return max(LEAST, min(1.0, hope))

    def _history(self, ask: _Ask) -> _History:
        return self._open(min(ask.accepted, MOST), min(ask.repeated, MOST), min(ask.declined, MOST))

    def _open(self, accepted: int, repeated: int, declined: int) -> _History:
        """Returns what is known of a history; a new one begins where that with an end less stands."""
        found = self._after.get((accepted, repeated, declined))
        if found is None:
            if declined:
                before = self._open(accepted, repeated, declined - 1)
            elif repeated:
                before = self._open(accepted, repeated - 1, 0)
            else:
                before = self._open(accepted - 1, 0, 0)
            found = self._after[accepted, repeated, declined] = _History(before.mean)
        return found


def _repeated(known: Known, gave: float, hope: float) -> None:
    for _, cells in known:
        for cell in cells:
            if cell.repeats is None:
                cell.repeats = Repeats()
            cell.repeats.add(gave, hope)


def ask_of(task: Task) -> int:
    """Returns what tells asks apart: a hash of all of a task but its seed, of this process alone."""
    said = (task.kind, task.chunks, task.entities, task.relations)
    try:
        return hash((*said, tuple(task.attributes.items())))
    except TypeError:  # a list or a table
        return hash((*said, repr(task.attributes)))
