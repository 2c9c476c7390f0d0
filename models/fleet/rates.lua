-- The rates of a server: requests and tokens a minute, as `layers/rates.py` keeps them, which says why; a test compares
-- the two. Stands before a script that uses it. Times are seconds of one clock, `r` is the state, kept by cmsgpack.
local BURST, DEBT_MOST, CUT_LEAST, CUT_MOST = 0.5, 600, 0.5, 0.95
local CLIMB, CLIMB_MOST, QUIET, FLOOR, BIN, MEMORY = 0.005, 0.25, 30, 0.05, 5, 0.05
local PRIOR, SPARE, BIAS_LEAST, BIAS_MOST = 8, 1.25, 0.02, 50
local DOUBTS, NONE = 3, math.huge

local function new_rates()
  local function bucket()
    return {top = NONE, rate = NONE, debt = 0, before = NONE, gone = 0, gone_before = 0}
  end
  return {
    requests = bucket(), tokens = bucket(), seconds = 0, mean = 0, at = -NONE, bin_at = -NONE, bin_seconds = 0,
    climb = CLIMB, quiet = NONE, cut = -NONE, began = -NONE, sent = 0, sent_before = 0, refused = 0,
    guess = 0, balance = 0, calls = 0, doubts = 0, told = 0,
  }
end

local function rates_known(r)
  return r.requests.rate < NONE or r.tokens.rate < NONE
end

local function hold_to(one, per_minute)
  local top = per_minute > 0 and per_minute / 60 or NONE
  one.rate = one.rate == one.top and top or math.min(one.rate, top)
  one.top = top
  if one.rate == NONE then
    one.debt = 0
  end
end

local function drain(r, now)
  local passed = now - r.at
  if passed < 0 then -- the server's clock was set back: all that was noted goes with it
    for _, field in ipairs({'at', 'bin_at', 'quiet', 'cut', 'began'}) do
      r[field] = r[field] + passed
    end
    return
  elseif passed == 0 then
    return
  end
  r.at = now
  for _, one in ipairs({r.requests, r.tokens}) do
    if one.debt > 0 then
      local busy = math.min(passed, math.max(0, one.debt / one.rate - BURST / 2))
      one.debt = math.max(0, one.debt - one.rate * passed)
      if one.rate < one.top then
        local whole = one.top < NONE and one.top or math.max(one.before, one.rate)
        one.rate = math.min(one.top, one.rate + r.climb * whole * busy)
      end
    end
  end
  if now - r.quiet >= QUIET then
    r.climb, r.quiet = math.min(CLIMB_MOST, r.climb * 2), now
  end
end

local function add(one, amount)
  one.gone = one.gone + amount
  if one.rate < NONE then
    one.debt = math.min(math.max(0, one.debt + amount), one.rate * DEBT_MOST)
  end
end

local function bias(r)
  return r.guess > 0 and math.max(BIAS_LEAST, math.min(BIAS_MOST, r.mean / r.guess)) or 1
end

local function rates_wait(r, now, guess)
  if not rates_known(r) then
    return 0
  end
  drain(r, now)
  local longest = 0
  for one, cost in pairs({[r.requests] = 1, [r.tokens] = guess * bias(r)}) do
    if one.rate < NONE then
      local over = (one.debt - math.max(0, one.rate * BURST - cost)) / one.rate
      longest = math.max(longest, over > 1e-6 and over or 0)
    end
  end
  return longest
end

local function rates_take(r, now, guess)
  if now - r.bin_at >= BIN then
    local recent = now - r.bin_at < 2 * BIN
    r.bin_seconds = recent and now - r.bin_at or 0
    r.bin_at = now
    for _, one in ipairs({r.requests, r.tokens}) do
      one.gone_before, one.gone = recent and one.gone or 0, 0
    end
  end
  drain(r, now)
  if r.guess == 0 then
    r.mean = math.max(guess, 1)
    r.guess = r.mean
  end
  local charge = guess * bias(r)
  add(r.requests, 1)
  add(r.tokens, charge)
  r.sent = r.sent + 1
  return charge
end

local function looked_back(r, now)
  return math.max(1, now - r.bin_at + r.bin_seconds)
end

local function rates_settle(r, now, taken, guess, charge, used, answered)
  drain(r, now)
  local took = used or charge
  if not answered then
    add(r.tokens, took - charge)
    return
  end
  r.calls = r.calls + 1
  r.seconds = r.seconds + (now - taken - r.seconds) * math.max(MEMORY, 1 / r.calls)
  local weight = math.max(MEMORY, 1 / (PRIOR + r.calls))
  r.mean = r.mean + (took - r.mean) * weight
  r.guess = r.guess + (guess - r.guess) * weight
  r.balance = math.max(r.balance + took - charge, -r.tokens.rate * BURST)
  if r.balance > 0 then
    add(r.tokens, r.balance)
    r.balance = 0
  end
end

local function rates_blamed(r, kind, retry_after)
  if retry_after > 0 and retry_after ~= r.told then
    r.doubts = r.doubts + (r.told > 0 and 1 or 0)
  else
    r.doubts = 0
  end
  r.told = retry_after
  return kind ~= '' or rates_known(r) or r.doubts >= DOUBTS
end

local function rates_refuse(r, now, taken, kind)
  drain(r, now)
  local both, ours = {r.requests, r.tokens}, {}
  for _, one in ipairs(both) do
    if kind == '' and one.rate < NONE then
      ours[#ours + 1] = one
    end
  end
  if #ours == 0 then
    ours = {kind == 'requests' and r.requests or r.tokens}
  end
  if taken > r.cut then
    r.climb = ours[1].rate == NONE and CLIMB_MOST or math.max(CLIMB, r.climb / 4)
    r.began, r.cut, r.quiet = r.cut, now, now
    r.sent_before, r.sent, r.refused = math.max(r.sent, 1), 0, 0
    for _, one in ipairs(both) do
      one.before = one.rate
      if one.rate == NONE then
        one.before = (one.gone_before + one.gone) / looked_back(r, now)
      end
    end
  elseif taken <= r.began then
    return
  end
  r.refused = r.refused + 1
  local left = math.min(CUT_MOST, math.max(CUT_LEAST, 1 - r.refused / r.sent_before))
  for _, one in ipairs(ours) do
    local floor = one == r.requests and 1 or math.max(1, r.mean)
    if one.top < NONE then
      floor = one.top * FLOOR
    end
    one.rate = math.min(one.rate, math.max(floor, one.before * left))
    one.debt = math.max(one.debt, one.rate * BURST)
  end
end

local function rates_shown(one)
  return one.rate < NONE and one.rate * 60 or 0
end

local function rates_needed(r)
  if not rates_known(r) then
    return 0
  end
  return math.ceil(math.min(r.requests.rate, r.tokens.rate / math.max(r.mean, 1)) * r.seconds * SPARE) + 1
end
