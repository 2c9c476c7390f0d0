"""What a campaign's queue does inside Redis, in Lua: each script is one atomic step by the server's own clock.

Keys of a campaign, all under `gristmill:{campaign}:` (the braces keep them on one node of a cluster):

    ready, suspects   streams with the group `workers`; an entry is a task's id (and for a suspect how many may run
                      together), its pending list the leases
    results           stream of finished tasks that the store has not committed yet
    tasks             hash, task → `<epoch> <place>`; the set of known ids and the fence. A place is `r:<entry>`,
                      `s:<entry>` (in `ready`, `suspects`), `f:<place>:<result>` (finished) or `d:` (set aside)
    work              hash, task → body
    marks, dead       hash, task → strikes, history, group; set of tasks that were set aside
    alive, workers    sorted set, worker → its last sign of life in ms; hash, worker → what it says of itself
    quiet             sorted set of workers that take nothing new because suspects wait for an empty one
    clock             hash: `seen`, when anybody last called; `grace`, until when nobody is declared dead
    generation        a random name, gone when the data are gone
    order, manifest   what workers are told

Every script of `lua/` stands behind its prelude. ARGV[1] is a name for a new generation, ARGV[2] the lease in ms. The
last key is the leader's (campaigns/fleet/leader.py) and the last argument the name under which a coordinator leads, ''
for all others: of a coordinator that another one has replaced, nothing is taken any more, however late it arrives. Each
answers with an array that starts with the server's time in ms and the generation. All are harmless when they run twice.
Where a script may meet a full server it writes first what needs memory, so that a refusal leaves nothing half done.
Every key has an expiry, which a coordinator renews for as long as it lives.
"""

from __future__ import annotations

from importlib import resources

from .redis_connection import LIFE_MS, Script

KEYS = (
    "generation",
    "ready",
    "suspects",
    "results",
    "tasks",
    "work",
    "marks",
    "dead",
    "alive",
    "workers",
    "quiet",
    "clock",
    "order",
    "manifest",
)


def _text(name: str) -> str:
    return resources.files(f"{__package__}.lua").joinpath(f"{name}.lua").read_text("utf-8")


_PRELUDE = (
    "local k_leader, who = table.remove(KEYS), table.remove(ARGV)\n"
    f"local {', '.join('k_' + name for name in KEYS)} = unpack(KEYS)\nlocal LIFE = {LIFE_MS}\n{_text('prelude')}"
)


def _script(name: str) -> Script:
    return Script(_PRELUDE + _text(name))


BEGIN = _script("begin")
FEED = _script("feed")
LEASE = _script("lease")
BEAT = _script("beat")
FINISH = _script("finish")
GIVE_BACK = _script("give_back")
WITHDRAW = _script("withdraw")
LEAVE = _script("leave")
CONFIRM = _script("confirm")
SET_ASIDE = _script("set_aside")
RECLAIM = _script("reclaim")
DEAD = _script("dead")
ORDER = _script("order")
REQUEUE = _script("requeue")
STATE = _script("state")
CLEAR = _script("clear")
