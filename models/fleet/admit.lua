-- One exchange between a worker and the limiter of a server: what came back, who asks, who may go. `rates.lua` stands
-- before it.
-- KEYS: state, permits by expiry, requests that wait in their order, workers by last sign of life.
-- ARGV: prefix of the workers' wake lists, then JSON: worker, life (ms), most, back [[id, granted at, rank, what, pause
-- ms, text, used, charge]], want [ids], hold [ids], drop [ids], rates [requests, tokens a minute; 0 unknown]. An id is
-- worker.number.tokens, as they were guessed; `used` is what it took, or -1. `what` has the letters a (answered), o (a
-- good answer), b (busy), d (nobody there), r (status 429), q or t (for requests, for tokens a minute).
-- Returns JSON: granted [[id, rank, at, probe, charge]], window, open (ms, or -1), last, next (ms), full, waiting,
-- paused (ms), rates [requests, tokens a minute; 0 none]. A wake list has grants, and ["", ms]: be here in so many ms.
-- The window starts at START and grows by GROWTH an answer until the first refusal (by half in a round, so that it passes
-- what the server takes by half at most); HOLD good rounds go by before one more is tried; FADE is for a server that
-- refuses round after round.
local START, GROWTH, HOLD, FADE = 8, 0.5, 8, 0.7
local LATE = 10 -- ms that a request held by a rate comes later at least, so that several go at once; the burst pays it
local OPENS_AFTER, PROBE_FIRST, PROBE_MOST = 3, 250, 2000

local asked = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, fields = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  state[fields[at]] = fields[at] ~= 'rates' and tonumber(fields[at + 1]) or fields[at + 1]
end
local rates = state.rates and cmsgpack.unpack(state.rates) or new_rates()
local window = state.window or math.min(asked.most, START)
local ceiling, opened, probe = state.ceiling, state.opened, state.probe
local decreased, paused = state.decreased or 0, state.paused or 0
local done, rounds, calm, climb = state.done or 0, state.rounds or 1, state.calm or 0, state.climb or 0
local full, failures, turn = state.full or 0, state.failures or 0, state.turn or 0
local probe_at, probe_wait, last = state.probe_at or 0, state.probe_wait or PROBE_FIRST, state.last or ''

local told = state.told
local came = redis.call('ZADD', KEYS[4], now, asked.worker) == 1
for place, one in ipairs({rates.requests, rates.tokens}) do
  if asked.rates[place] > 0 or came then -- a campaign may go on without the limit that it had
    hold_to(one, asked.rates[place])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - 4 * asked.life)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local most = asked.most * redis.call('ZCOUNT', KEYS[4], now - asked.life, '+inf')

local function decrease(rank)
  local before = window
  window = math.max(window * 0.5, math.min(window - 1, rank - 1))
  if rounds == 0 then -- not one good round since the last decrease: the server takes far fewer
    window = math.min(window, before * FADE)
  end
  window = math.max(1, math.floor(window))
  ceiling = math.max(window + 1, math.min(rank, before))
  decreased, done, rounds, calm, climb, full = now, 0, 0, 0, 0, 0
end

local function increase()
  if not ceiling then
    return -- still in slow start, which grows by each answer
  elseif window < ceiling - 1 then
    window = window + math.max(1, math.floor((ceiling - 1 - window) / 2))
  elseif window < ceiling then
    calm = calm + 1
    if calm > HOLD then
      window, calm = window + 1, 0
    end
  else
    climb = math.max(1, climb * 2)
    window = window + climb
  end
  window = math.min(window, math.max(most, 1))
end

for _, one in ipairs(asked.back) do
  local id, granted, rank, what, pause, text, used = one[1], one[2], one[3], one[4], one[5], one[6], one[7]
  local guess, good = tonumber(string.match(id, '[^.]*$')), string.find(what, 'o') ~= nil
  local kind = string.find(what, 'q') and 'requests' or string.find(what, 't') and 'tokens' or ''
  if redis.call('ZREM', KEYS[2], id) == 1 then -- else this is said twice, or the permit has lapsed
    rates_settle(rates, now / 1000, granted / 1000, guess, one[8], used >= 0 and used or nil, good)
  end
  local was_probe = probe == id
  if was_probe then
    probe = nil
  end
  if string.find(what, 'b') then
    if string.find(what, 'r') and rates_blamed(rates, kind, pause) then
      rates_refuse(rates, now / 1000, granted / 1000, kind)
    end
    if granted > decreased and kind == '' then
      decrease(rank)
    end
    paused = math.max(paused, now + pause)
  end
  if string.find(what, 'd') then
    failures, last = failures + 1, text
    if not opened then
      if failures >= OPENS_AFTER then
        opened, probe_wait, probe_at = now, PROBE_FIRST, now + PROBE_FIRST
      end
    elseif was_probe then
      probe_wait = math.min(PROBE_MOST, probe_wait * 2)
      probe_at = now + probe_wait
    end
  elseif string.find(what, 'a') then
    failures, opened = 0, nil
    if good then
      done = done + 1
      if not ceiling and full == 1 then
        window = math.min(window + GROWTH, math.max(most, 1))
      end
      if done >= window then
        if full == 1 then
          increase()
        end
        done, rounds, full = 0, rounds + 1, 0
      end
    end
  end
end
window = math.max(window, math.min(most, rates_needed(rates))) -- a rate that is known is no guess, and holds back enough
for _, id in ipairs(asked.drop) do
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZREM', KEYS[2], id)
end
for _, id in ipairs(asked.hold) do
  redis.call('ZADD', KEYS[2], now + asked.life, id)
end

local granted, wake = {}, {}
for _, id in ipairs(asked.want) do
  if redis.call('ZSCORE', KEYS[2], id) then -- it was granted, and the word of it was lost
    granted[#granted + 1] = {id, redis.call('ZCARD', KEYS[2]), now, probe == id, tonumber(string.match(id, '[^.]*$'))}
  else
    turn = turn + 1
    redis.call('ZADD', KEYS[3], 'NX', turn, id)
  end
end

local flying = redis.call('ZCARD', KEYS[2])
if probe and not redis.call('ZSCORE', KEYS[2], probe) then
  probe = nil
end
local function room()
  if now < paused then
    return false
  elseif opened then
    return not probe and now >= probe_at
  end
  return flying < math.floor(window)
end
local held = 0 -- ms for which a rate holds the first that waits
while room() do
  local id = redis.call('ZRANGE', KEYS[3], 0, 0)[1]
  if not id then
    break
  end
  local worker, tokens = string.match(id, '^([^.]*).*%.([^.]*)$')
  local seen = redis.call('ZSCORE', KEYS[4], worker)
  local alive = seen and tonumber(seen) >= now - asked.life
  held = alive and 1000 * rates_wait(rates, now / 1000, tonumber(tokens)) or 0
  if held > 0 then
    held = math.max(LATE, held)
    if told ~= id and worker ~= asked.worker then -- whose turn is next comes for it: one worker, and not all
      wake[worker] = wake[worker] or {}
      table.insert(wake[worker], {'', math.ceil(held)})
    end
    told = id
    if worker ~= asked.worker then
      held = 0
    end
    break
  end
  redis.call('ZREM', KEYS[3], id)
  if alive then
    flying = flying + 1
    redis.call('ZADD', KEYS[2], now + asked.life, id)
    local charge = math.ceil(rates_take(rates, now / 1000, tonumber(tokens)))
    if opened then
      probe = id
    end
    local grant = {id, flying, now, opened ~= nil, charge}
    if worker == asked.worker then
      granted[#granted + 1] = grant
    else
      wake[worker] = wake[worker] or {}
      table.insert(wake[worker], grant)
    end
  end
end
for worker, grants in pairs(wake) do
  redis.call('RPUSH', ARGV[1] .. worker, cjson.encode(grants))
  redis.call('PEXPIRE', ARGV[1] .. worker, asked.life)
end

local waiting = redis.call('ZCARD', KEYS[3])
local no_room = flying >= math.floor(window)
if no_room then
  full = 1 -- until the round ends: it grows a window that was used
end
local again = 1000
if now < paused then
  again = paused - now
elseif opened and not probe then
  again = math.max(held, probe_at - now)
elseif held > 0 then
  again = math.min(again, held)
end
local kept = {
  window = window, ceiling = ceiling, opened = opened, probe = probe, decreased = decreased, paused = paused,
  done = done, rounds = rounds, calm = calm, climb = climb, full = full, failures = failures, turn = turn,
  probe_at = probe_at, probe_wait = probe_wait, last = last, told = told, rates = cmsgpack.pack(rates),
}
for _, field in ipairs({'ceiling', 'opened', 'probe'}) do
  if state[field] and not kept[field] then
    redis.call('HDEL', KEYS[1], field)
  end
end
local changed = {}
for field, value in pairs(kept) do
  if state[field] ~= value then
    changed[#changed + 1] = field
    changed[#changed + 1] = type(value) == 'number' and string.format('%.14g', value) or value
  end
end
if #changed > 0 then
  redis.call('HSET', KEYS[1], unpack(changed))
end
for number = 1, 4 do
  redis.call('PEXPIRE', KEYS[number], 86400000)
end
return cjson.encode({
  granted = granted, window = window, open = opened and now - opened or -1, last = last, next = again,
  full = no_room or waiting > 0 or opened ~= nil or now < paused, waiting = waiting, paused = math.max(0, paused - now),
  rates = {rates_shown(rates.requests), rates_shown(rates.tokens)},
})
