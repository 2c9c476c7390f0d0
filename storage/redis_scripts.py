"""What a campaign's queue does inside Redis, in Lua: each script is one atomic step by the server's own clock.

Keys of a campaign, all under `gristmill:{campaign}:` (the braces keep them on one node of a cluster):

    ready, suspects   streams with the group `workers`; an entry is a task's id, its pending list the leases
    results           stream of finished tasks that the store has not committed yet
    tasks             hash, task → `<epoch> <place>`; the set of known ids and the fence. A place is `r:<entry>`,
                      `s:<entry>` (in `ready`, `suspects`), `f:<place>:<result>` (finished) or `d:` (set aside)
    work              hash, task → body
    marks, dead       hash, task → strikes and history; set of tasks that were set aside
    alive, workers    sorted set, worker → its last sign of life in ms; hash, worker → what it says of itself
    quiet             sorted set of workers that take nothing new because suspects wait for an empty one
    clock             hash: `seen`, when anybody last called; `grace`, until when nobody is declared dead
    generation        a random name, gone when the data are gone
    order, manifest   what workers are told

Every script starts with PRELUDE. ARGV[1] is a name for a new generation, ARGV[2] the lease in ms. Each answers with an
array that starts with the server's time in ms and the generation. All are harmless when they run twice. Where a script
may meet a full server it writes first what needs memory, so that a refusal leaves nothing half done.
"""

from __future__ import annotations

from .redis_connection import Script

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

_PRELUDE = (
    f"local {', '.join('k_' + name for name in KEYS)} = unpack(KEYS)\n"
    """
local group = 'workers'
local lease = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local streams = {r = k_ready, s = k_suspects}

-- The data are gone (a restart without persistence, FLUSHALL, a group that was destroyed). Results that are still here
-- stay, and so do strikes. The coordinator sees the new name and feeds again.
local generation = redis.call('GET', k_generation)
local function begin_again()
  generation = ARGV[1]
  redis.call('DEL', k_ready, k_suspects, k_tasks, k_work, k_dead, k_quiet)
  redis.call('XGROUP', 'CREATE', k_ready, group, '0', 'MKSTREAM')
  redis.call('XGROUP', 'CREATE', k_suspects, group, '0', 'MKSTREAM')
  redis.call('SET', k_generation, generation)
end
if not generation then begin_again() end

-- When nobody was heard for half a lease, the server itself stood still or was away: all workers get one lease to show
-- that they live before any of them is declared dead.
local function touch()
  local seen = redis.call('HGET', k_clock, 'seen')
  if seen and math.abs(now - tonumber(seen)) > lease / 2 then redis.call('HSET', k_clock, 'grace', now + lease) end
  redis.call('HSET', k_clock, 'seen', now)
end

local function look(task)
  local value = redis.call('HGET', k_tasks, task)
  if not value then return nil end
  local epoch, kind, rest = string.match(value, '^(%d+) (%a):(.*)$')
  return epoch, kind, rest
end

local function drop(kind, id)
  if streams[kind] and id ~= '' then
    redis.call('XACK', streams[kind], group, id)
    redis.call('XDEL', streams[kind], id)
  end
end

-- Moves a task to the end of a stream; its old entry goes.
local function move(task, epoch, kind, id, target)
  local entry = redis.call('XADD', streams[target], '*', 't', task)
  redis.call('HSET', k_tasks, task, epoch .. ' ' .. target .. ':' .. entry)
  drop(kind, id)
end

local function remember(task, strikes, line)
  local said = redis.call('HGET', k_marks, task)
  local known, mark = pcall(cjson.decode, said or '')
  if not known or type(mark) ~= 'table' or type(mark.history) ~= 'table' or type(mark.strikes) ~= 'number' then
    mark = {strikes = 0, history = {}}
  end
  mark.strikes = mark.strikes + strikes
  table.insert(mark.history, {now, line})
  if #mark.history > 20 then table.remove(mark.history, 1) end
  redis.call('HSET', k_marks, task, cjson.encode(mark))
  return mark.strikes
end

local function set_aside(task, epoch, kind, id)
  redis.call('SADD', k_dead, task)
  redis.call('HSET', k_tasks, task, epoch .. ' d:')
  drop(kind, id)
end

-- How many entries of a stream were delivered and not acknowledged; nil when the group is gone.
local function delivered(stream)
  local summary = redis.pcall('XPENDING', stream, group)
  if summary.err then return nil end
  return summary[1]
end
"""
)


def _script(body: str) -> Script:
    return Script(_PRELUDE + body)


BEGIN = _script("""
-- ARGV: manifest, order ('' keeps what stands)
touch()
redis.call('SET', k_manifest, ARGV[3])
if ARGV[4] ~= '' then redis.call('SET', k_order, ARGV[4]) end
return {now, generation}
""")

FEED = _script("""
-- ARGV: window, then task and body in turn. Answers 1, or 0 when the window has no room.
touch()
local new = {}
for i = 4, #ARGV, 2 do
  if redis.call('HEXISTS', k_tasks, ARGV[i]) == 0 then table.insert(new, i) end
end
local known = redis.call('HLEN', k_tasks) - redis.call('SCARD', k_dead)
if #new > 0 and known + #new > tonumber(ARGV[3]) then return {now, generation, 0} end
for _, i in ipairs(new) do
  redis.call('HSET', k_work, ARGV[i], ARGV[i + 1])
  if redis.call('HEXISTS', k_tasks, ARGV[i]) == 0 then move(ARGV[i], '0', '', '', 'r') end
end
return {now, generation, 1}
""")

LEASE = _script("""
-- ARGV: worker, count, how many it runs, whether one of these is alone, the last ms at which the request is wanted
-- (0: any). Answers a word (tasks, none, full, order), both streams' last ids, and rows: task, epoch, place, body.
-- A request that was given up must take nothing: a server that was frozen finds it when it wakes.
local worker, count, held, alone, until_ms = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if until_ms > 0 and now > until_ms then return {now, generation, 'none', '', '', {}} end
touch()
redis.call('ZADD', k_alive, now, worker)
if (redis.call('GET', k_order) or 'run') ~= 'run' then return {now, generation, 'order', '', '', {}} end
if alone == '1' then return {now, generation, 'full', '', '', {}} end

local in_ready, in_suspects = delivered(k_ready), delivered(k_suspects)
if not in_ready or not in_suspects then
  begin_again()
  in_ready, in_suspects = 0, 0
end

-- A task that is known elsewhere or not at all is a duplicate delivery, and ends here.
local rows = {}
local function take(stream, kind, wanted)
  while wanted > 0 do
    local reply = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', wanted, 'STREAMS', stream, '>')
    if not reply then return end
    for _, entry in ipairs(reply[1][2]) do
      local id, task = entry[1], entry[2] and entry[2][2]
      local epoch, place, rest = look(task or '')
      local body = epoch and redis.call('HGET', k_work, task)
      if epoch and place == kind and rest == id and body then
        epoch = string.format('%d', tonumber(epoch) + 1)
        redis.call('HSET', k_tasks, task, epoch .. ' ' .. kind .. ':' .. id)
        table.insert(rows, {task, epoch, kind .. ':' .. id, body})
        wanted = wanted - 1
      else
        drop(kind, id)
        if epoch and not body and rest == id then redis.call('HDEL', k_tasks, task) end
      end
    end
  end
end

-- Suspects run alone, on workers that were emptied for them: half of the fleet at most, one at least.
local suspects = redis.call('XLEN', k_suspects) - in_suspects
if suspects > 0 then
  redis.call('ZREMRANGEBYSCORE', k_quiet, '-inf', now - lease)
  local quiet = redis.call('ZSCORE', k_quiet, worker)
  local others = redis.call('ZCARD', k_quiet) - (quiet and 1 or 0)
  local fleet = redis.call('ZCOUNT', k_alive, now - lease, '+inf')
  local idle = held == 0 and redis.call('XLEN', k_ready) <= in_ready
  if quiet or idle or (others < math.max(1, math.floor(fleet / 2)) and others < suspects) then
    redis.call('ZADD', k_quiet, now, worker)
    if held > 0 then return {now, generation, 'full', '', '', {}} end
    take(k_suspects, 's', 1)
  end
end
if #rows == 0 then
  redis.call('ZREM', k_quiet, worker)
  take(k_ready, 'r', count)
end
if #rows > 0 then return {now, generation, 'tasks', '', '', rows} end
local last = {}
for place, stream in ipairs({k_ready, k_suspects}) do
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last[place] = info[i + 1] end
  end
end
return {now, generation, 'none', last[1], last[2], {}}
""")

BEAT = _script("""
-- ARGV: worker, what it says of itself, then task, epoch and place in turn. Renews what is still this worker's.
touch()
local worker = ARGV[3]
redis.call('ZADD', k_alive, now, worker)
redis.call('HSET', k_workers, worker, ARGV[4])
redis.call('ZADD', k_quiet, 'XX', now, worker)
for i = 5, #ARGV, 3 do
  if redis.call('HGET', k_tasks, ARGV[i]) == ARGV[i + 1] .. ' ' .. ARGV[i + 2] then
    local kind, id = string.match(ARGV[i + 2], '^([rs]):(.*)$')
    redis.call('XCLAIM', streams[kind], group, worker, 0, id, 'JUSTID')
  end
end
return {now, generation, redis.call('GET', k_order) or 'run'}
""")

FINISH = _script("""
-- ARGV: task, epoch, place, generation of the lease and result in turn. Answers 1 for what is kept, 0 for a lost lease.
-- The entry stays pending until the store has committed. A result from before the data were lost is kept as long as
-- nobody has started the task anew.
local answers = {}
for i = 3, #ARGV, 5 do
  local task, epoch, place, kept = ARGV[i], ARGV[i + 1], ARGV[i + 2], 0
  local at, kind, rest = look(task)
  local mine = at == epoch and kind and kind .. ':' .. rest == place
  local orphan = ARGV[i + 3] ~= generation and (not at or (at == '0' and streams[kind]))
  if mine or orphan then
    local entry = redis.call('XADD', k_results, '*', 't', task, 'r', ARGV[i + 4])
    if orphan then
      if at then drop(kind, rest) end
      place = 'r:'
    end
    redis.call('HSET', k_tasks, task, epoch .. ' f:' .. place .. ':' .. entry)
    kept = 1
  elseif at == epoch and kind == 'f' then
    -- asked twice: the answer to the first time was lost on its way
    kept = (string.sub(rest, 1, #place + 1) == place .. ':' or ARGV[i + 3] ~= generation) and 1 or 0
  end
  table.insert(answers, kept)
end
return {now, generation, answers}
""")

GIVE_BACK = _script("""
-- ARGV: task, epoch and place in turn. What is still held goes to the end of its stream, with no blame.
local count = 0
for i = 3, #ARGV, 3 do
  local at, kind, rest = look(ARGV[i])
  if at == ARGV[i + 1] and kind .. ':' .. rest == ARGV[i + 2] and streams[kind] then
    move(ARGV[i], at, kind, rest, kind)
    count = count + 1
  end
end
return {now, generation, count}
""")

LEAVE = _script("""
-- ARGV: worker
redis.call('ZREM', k_alive, ARGV[3])
redis.call('ZREM', k_quiet, ARGV[3])
redis.call('HDEL', k_workers, ARGV[3])
return {now, generation}
""")

CONFIRM = _script("""
-- ARGV: task and entry of its result ('' when unknown) in turn. Forgets both.
for i = 3, #ARGV, 2 do
  local task = ARGV[i]
  local epoch, kind, rest = look(task)
  if kind == 'f' then
    local place, id, entry = string.match(rest, '^(%a):([^:]*):(.*)$')
    drop(place, id)
    redis.call('XDEL', k_results, entry)
  elseif kind then
    drop(kind, rest)
  end
  if ARGV[i + 1] ~= '' then redis.call('XDEL', k_results, ARGV[i + 1]) end
  redis.call('HDEL', k_tasks, task)
  redis.call('HDEL', k_work, task)
  redis.call('HDEL', k_marks, task)
  redis.call('SREM', k_dead, task)
end
return {now, generation}
""")

SET_ASIDE = _script("""
-- ARGV: task, entry of a result ('' for none), why. For what cannot be read.
local epoch, kind, rest = look(ARGV[3])
if kind and kind ~= 'd' then
  remember(ARGV[3], 0, ARGV[5])
  if kind == 'f' then kind, rest = string.match(rest, '^(%a):([^:]*):') end
  set_aside(ARGV[3], epoch, kind, rest)
end
if ARGV[4] ~= '' then redis.call('XDEL', k_results, ARGV[4]) end
return {now, generation}
""")

RECLAIM = _script("""
-- ARGV: strikes, kind of stream, where to start, page. Answers how many came back, and where to go on ('' at the end).
touch()
local limit, kind, page = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[6])
local stream = streams[kind]
local function silent_since(worker)
  local score = redis.call('ZSCORE', k_alive, worker)
  return not score or now - tonumber(score) > lease
end
if now < tonumber(redis.call('HGET', k_clock, 'grace') or '0') then return {now, generation, 0, ''} end
local pending = redis.pcall('XPENDING', stream, group, ARGV[5], '+', page)
if pending.err then
  begin_again()
  return {now, generation, 0, ''}
end
local moved, last = 0, ''
for _, one in ipairs(pending) do
  local id, owner, idle = one[1], one[2], one[3]
  last = id
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local task = entry and entry[2][2]
  local epoch, place, rest = look(task or '')
  if place == kind and rest == id then
    local lost = silent_since(owner)
    if lost then
      -- In `ready` many were in flight and any may be the cause: no strike, each runs alone next. A suspect ran alone.
      local alone = kind == 's'
      local line = 'worker ' .. owner .. ' was lost with it' .. (alone and ' alone' or '') .. ' (lease ' .. epoch .. ')'
      if remember(task, alone and 1 or 0, line) >= limit and alone then
        set_aside(task, epoch, kind, id)
      else
        move(task, epoch, kind, id, 's')
      end
    elseif idle > lease then
      move(task, epoch, kind, id, kind)  -- its worker lives and does not hold it: the answer to its request was lost
    end
    if lost or idle > lease then moved = moved + 1 end
  elseif place ~= 'f' then
    drop(kind, id)
  end
end
if #pending == page then return {now, generation, moved, '(' .. last} end

-- The last page: workers that fell silent hold nothing any more.
if kind == 'r' then
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', k_alive, '-inf', '(' .. string.format('%.0f', now - lease))) do
    redis.call('ZREM', k_alive, worker)
    redis.call('HDEL', k_workers, worker)
  end
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  if about.pending == 0 and about.idle > 10 * lease and silent_since(about.name) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, about.name)
  end
end
return {now, generation, moved, ''}
""")

DEAD = _script("""
local rows = {}
for _, task in ipairs(redis.call('SMEMBERS', k_dead)) do
  table.insert(rows, {task, redis.call('HGET', k_marks, task) or ''})
end
return {now, generation, rows}
""")

REQUEUE = _script("""
-- ARGV: tasks, none for all. They have no strikes again, and run alone.
local wanted, count = {}, 0
if #ARGV == 2 then wanted = redis.call('SMEMBERS', k_dead) end
for i = 3, #ARGV do table.insert(wanted, ARGV[i]) end
for _, task in ipairs(wanted) do
  local epoch, kind = look(task)
  if kind == 'd' and redis.call('HEXISTS', k_work, task) == 1 then
    move(task, epoch, '', '', 's')
    redis.call('SREM', k_dead, task)
    redis.call('HDEL', k_marks, task)
    count = count + 1
  end
end
return {now, generation, count}
""")

STATE = _script("""
-- Each known task is in exactly one place, so that what is in none of the others is leased.
local known, results, dead = redis.call('HLEN', k_tasks), redis.call('XLEN', k_results), redis.call('SCARD', k_dead)
local ready = redis.call('XLEN', k_ready) - (delivered(k_ready) or 0)
local suspect = redis.call('XLEN', k_suspects) - (delivered(k_suspects) or 0)
local bytes = 0
for _, key in ipairs(KEYS) do
  local used = redis.pcall('MEMORY', 'USAGE', key)
  if type(used) == 'number' then bytes = bytes + used end
end
local workers = {}
for _, name in ipairs(redis.call('ZRANGE', k_alive, 0, -1)) do
  local age = now - tonumber(redis.call('ZSCORE', k_alive, name))
  table.insert(workers, {name, age, redis.call('HGET', k_workers, name) or ''})
end
local leased = math.max(0, known - ready - suspect - results - dead)
local order = redis.call('GET', k_order) or 'run'
return {now, generation, ready + suspect, leased, suspect, dead, results, order, bytes, workers}
""")
