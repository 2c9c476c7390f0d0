-- ARGV: strikes, kind of stream, most entries of one worker. Answers how many came back, and 1 when there may be more.
touch()
lasting(unpack(KEYS))
local limit, kind, page = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local stream = streams[kind]
if generation == '' or now < tonumber(redis.call('HGET', k_clock, 'grace') or '0') then return {now, generation, 0, 0} end
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
if consumers.err then
  begin_again()
  return {now, generation, 0, 0}
end
local function is_silent(worker)
  local score = redis.call('ZSCORE', k_alive, worker)
  return not score or now - tonumber(score) > lease
end

-- The delivered entries that are still their tasks' places: task, epoch, id, group. Duplicate deliveries end here.
local function places(pending)
  local found = {}
  for _, one in ipairs(pending) do
    local id = one[1]
    local entry = redis.call('XRANGE', stream, id, id)[1]
    local task, together = entry_of(kind, entry and entry[2])
    local epoch, place, rest = look(task)
    if place == kind and rest == id then
      table.insert(found, {task, epoch, id, together})
    else
      drop(kind, id)
    end
  end
  return found
end

local moved, more = 0, 0
for _, one in ipairs(consumers) do
  local about = named(one)
  if about.pending > 0 and is_silent(about.name) then
    -- Many were in flight and any may be the cause: half of them run together next, and only who ran alone is struck.
    local pending = redis.call('XPENDING', stream, group, '-', '+', page, about.name)
    local lost = places(pending)
    local half = math.ceil(#lost / 2)
    for _, place in ipairs(lost) do
      local task, epoch, id, alone = place[1], place[2], place[3], place[4] == 1
      local line = 'worker ' .. about.name .. ' was lost with it' .. (alone and ' alone' or '') .. ' (lease ' .. epoch .. ')'
      if remember(task, alone and 1 or 0, line, half) >= limit and alone then
        set_aside(task, epoch, kind, id)
      else
        move(task, epoch, kind, id, 's', half)
      end
    end
    moved = moved + #lost
    if #pending == page then more = 1 end
    if moved >= page then return {now, generation, moved, 1} end
  end
end

-- Its worker lives and does not hold it: the answer to its request was lost.
local forgotten = redis.call('XPENDING', stream, group, 'IDLE', string.format('%.0f', lease), '-', '+', page)
for _, place in ipairs(places(forgotten)) do
  move(place[1], place[2], kind, place[3], kind, place[4])
  moved = moved + 1
end
if more == 1 or #forgotten == page then return {now, generation, moved, 1} end

-- Workers that fell silent hold nothing any more, once both streams have been looked through.
if kind == 'r' then
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', k_alive, '-inf', '(' .. string.format('%.0f', now - lease))) do
    redis.call('ZREM', k_alive, worker)
    redis.call('ZREM', k_quiet, worker)
    redis.call('HDEL', k_workers, worker)
  end
end
for _, one in ipairs(consumers) do
  local about = named(one)
  if about.pending == 0 and about.idle > 10 * lease and is_silent(about.name) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, about.name)
  end
end
return {now, generation, moved, 0}
