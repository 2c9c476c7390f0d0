-- ARGV: worker, count, how many it runs, whether one of these is a suspect, the last ms at which the request is wanted
-- (0: any). Answers a word (tasks, none, full, order), both streams' last ids, and rows: task, epoch, place, body.
-- A request that was given up must take nothing: a server that was frozen finds it when it wakes.
local worker, count, held, suspect, until_ms = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if until_ms > 0 and now > until_ms then return {now, generation, 'none', '', '', {}} end
touch()
if generation == '' then return {now, generation, 'order', '', '', {}} end
redis.call('ZADD', k_alive, now, worker)
lasting(k_alive)
if (redis.call('GET', k_order) or 'run') ~= 'run' then return {now, generation, 'order', '', '', {}} end
if suspect == '1' then return {now, generation, 'full', '', '', {}} end

local in_ready, in_suspects = delivered(k_ready), delivered(k_suspects)
if not in_ready or not in_suspects then
  begin_again()
  in_ready, in_suspects = 0, 0
end

-- A task that is known elsewhere or not at all is a duplicate delivery, and ends here.
local rows = {}
local function read(kind, wanted)
  local reply = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', wanted, 'STREAMS', streams[kind], '>')
  if not reply then return false end
  for _, entry in ipairs(reply[1][2]) do
    local id, task = entry[1], entry_of(kind, entry[2])
    local epoch, place, rest = look(task)
    local body = epoch and redis.call('HGET', k_work, task)
    if epoch and place == kind and rest == id and body then
      epoch = string.format('%d', tonumber(epoch) + 1)
      redis.call('HSET', k_tasks, task, epoch .. ' ' .. kind .. ':' .. id)
      table.insert(rows, {task, epoch, kind .. ':' .. id, body})
    else
      drop(kind, id)
      if epoch and not body and rest == id then redis.call('HDEL', k_tasks, task) end
    end
  end
  return true
end

-- The group at the front of the suspects: how many may run together, and how many such stand there, `most` at most.
local function front(most)
  local last = '0-0'
  for _, one in ipairs(redis.call('XINFO', 'GROUPS', k_suspects)) do
    local about = named(one)
    if about.name == group then last = about['last-delivered-id'] end
  end
  local together, found = 1, 0
  for _, entry in ipairs(redis.call('XRANGE', k_suspects, '(' .. last, '+', 'COUNT', most)) do
    local _, size = entry_of('s', entry[2])
    if found == 0 then together = math.max(1, size) end
    if size ~= together or found == together then break end
    found = found + 1
  end
  return together, found
end

-- Suspects run apart, on workers that were emptied for them: half of the fleet at most, one at least, and no more than
-- there are groups. Each takes one group.
local suspects = redis.call('XLEN', k_suspects) - in_suspects
if suspects > 0 then
  redis.call('ZREMRANGEBYSCORE', k_quiet, '-inf', now - lease)
  local quiet = redis.call('ZSCORE', k_quiet, worker)
  local others = redis.call('ZCARD', k_quiet) - (quiet and 1 or 0)
  local fleet = redis.call('ZCOUNT', k_alive, now - lease, '+inf')
  local idle = held == 0 and redis.call('XLEN', k_ready) <= in_ready
  local groups = math.ceil(redis.call('XLEN', k_suspects) / math.min(front(1), held + count))
  if quiet or idle or (others < math.max(1, math.floor(fleet / 2)) and others < groups) then
    redis.call('ZADD', k_quiet, now, worker)
    lasting(k_quiet)
    if held > 0 then return {now, generation, 'full', '', '', {}} end
    repeat
      local _, found = front(count)
    until found == 0 or not read('s', found) or #rows > 0
  end
end
if #rows == 0 then
  redis.call('ZREM', k_quiet, worker)
  while #rows < count and read('r', count - #rows) do end
end
if #rows > 0 then return {now, generation, 'tasks', '', '', rows} end
local last = {}
for place, stream in ipairs({k_ready, k_suspects}) do
  last[place] = named(redis.call('XINFO', 'STREAM', stream))['last-generated-id']
end
return {now, generation, 'none', last[1], last[2], {}}
