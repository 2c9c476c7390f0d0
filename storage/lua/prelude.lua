-- Stands before every script. ARGV[1] is a name for a new generation, ARGV[2] the lease in ms, `who` the coordinator.
if who ~= '' then
  local leader = redis.call('GET', k_leader)
  if leader and leader ~= who then return redis.error_reply('DEPOSED ' .. leader) end
end
local group = 'workers'
local lease = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local streams = {r = k_ready, s = k_suspects}

-- What a script may have made is gone LIFE after anybody last wrote it: no campaign fills a Redis for ever.
local function lasting(...)
  for _, key in ipairs({...}) do redis.call('PEXPIRE', key, LIFE) end
end

-- The data are gone (a restart without persistence, FLUSHALL, a group that was destroyed). Results that are still here
-- stay, and so do strikes. The coordinator sees the new name and feeds again.
local generation = redis.call('GET', k_generation) or ''
local function begin_again()
  generation = ARGV[1]
  redis.call('DEL', k_ready, k_suspects, k_tasks, k_work, k_dead, k_quiet)
  redis.call('XGROUP', 'CREATE', k_ready, group, '0', 'MKSTREAM')
  redis.call('XGROUP', 'CREATE', k_suspects, group, '0', 'MKSTREAM')
  redis.call('SET', k_generation, generation)
  lasting(k_ready, k_suspects, k_generation)
end

-- A campaign that has ended left the order to drain: a worker that comes late hears it and opens nothing again.
local function open()
  if generation == '' and redis.call('GET', k_order) ~= 'drain' then begin_again() end
end

-- When nobody was heard for half a lease, the server itself stood still or was away: all workers get one lease to show
-- that they live before any of them is declared dead.
local function touch()
  open()
  if generation == '' then return end
  local seen = redis.call('HGET', k_clock, 'seen')
  if seen and math.abs(now - tonumber(seen)) > lease / 2 then redis.call('HSET', k_clock, 'grace', now + lease) end
  redis.call('HSET', k_clock, 'seen', now)
  lasting(k_clock)
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

-- Moves a task to the end of a stream; its old entry goes. `together` is how many suspects may run at once with it.
local function move(task, epoch, kind, id, target, together)
  local entry
  if target == 's' then
    entry = redis.call('XADD', k_suspects, '*', 't', task, 'g', together)
  else
    entry = redis.call('XADD', k_ready, '*', 't', task)
  end
  redis.call('HSET', k_tasks, task, epoch .. ' ' .. target .. ':' .. entry)
  drop(kind, id)
end

-- Of an entry: its task, and how many may run together there, 0 in `ready`.
local function entry_of(kind, fields)
  return fields and fields[2] or '', kind == 's' and (tonumber(fields and fields[4]) or 1) or 0
end

-- What stands against a task: strikes, history, and how many suspects it may run beside, itself included.
local function mark_of(task)
  local known, mark = pcall(cjson.decode, redis.call('HGET', k_marks, task) or '')
  if not known or type(mark) ~= 'table' or type(mark.history) ~= 'table' or type(mark.strikes) ~= 'number' then
    return {strikes = 0, history = {}}
  end
  return mark
end

local function remember(task, strikes, line, together)
  local mark = mark_of(task)
  mark.strikes = mark.strikes + strikes
  mark.group = together
  table.insert(mark.history, {now, line})
  if #mark.history > 20 then table.remove(mark.history, 1) end
  redis.call('HSET', k_marks, task, cjson.encode(mark))
  lasting(k_marks)
  return mark.strikes
end

local function set_aside(task, epoch, kind, id)
  redis.call('SADD', k_dead, task)
  redis.call('HSET', k_tasks, task, epoch .. ' d:')
  lasting(k_dead, k_tasks)
  drop(kind, id)
end

-- How many entries of a stream were delivered and not acknowledged; nil when the group is gone.
local function delivered(stream)
  local summary = redis.pcall('XPENDING', stream, group)
  if summary.err then return nil end
  return summary[1]
end

-- What XINFO says of one thing, by name.
local function named(flat)
  local about = {}
  for i = 1, #flat, 2 do about[flat[i]] = flat[i + 1] end
  return about
end
