extends RefCounted
## A session on the client's thread: numbers, epochs, one request under way, and taking the session up again on another
## connection. PROTOCOL.md, "At most once" and "Resuming".

const Core := preload("core.gd")
const Assembly := preload("assembly.gd")
const Line := preload("line.gd")
const Mailbox := preload("mailbox.gd")
const Messages := preload("messages.gd")
const Times := preload("times.gd")

## Codes of errors that mean that the message changed nothing. All others are the answer of their request.
const _CHANGED_NOTHING := [
	"version",
	"auth",
	"route",
	"protocol",
	"too_large",
	"limit",
	"unknown_session",
	"stale",
	"gap",
	"busy",
	"timeout",
	"draining",
]
const _TRANSIENT := ["busy", "limit"]
## Nothing was done, and RESUME finds out what the matter is.
const _MOVED := ["route", "unknown_session", "draining", "gap"]
const _ANSWERS := {"SNAPSHOT": "STATE", "PROMPT": "DONE", "RESTORE": "DONE", "RECORD": "DONE"}
## What begins a new epoch.
const _JUMPS := ["RESET", "RESTORE"]
const _MOST_WAITING := 16
const _MOST_UNREAD := 8
## Between two tries, at first and at most; a session that was well for a while begins anew.
const _PAUSE_LEAST := 0.05
const _PAUSE_MOST := 2.0
const _WELL_S := 5.0

var sid := ""
## Why the session is no more; null while it lives.
var over: HeliosError
var is_attached := false
var epoch := 0
## What the session is of; null before it is open.
var spec: HeliosSpec
## The session that a FORK has just opened; the thread takes it away.
var child: Core

var _line: Line
var _box: Mailbox
var _times: Times
var _options: Dictionary
var _token := ""
var _answered := 0
var _asked := 0
var _waiting: Array[HeliosCall] = []
var _current: HeliosCall
var _sent_at := -INF
var _again_at := -INF
var _first_sent_at := 0.0
var _pause := 0.0
var _attached_at := -INF
var _is_leaving := false
var _opening: HeliosCall
var _attach_seq := 0
var _attach_at := -INF
var _answer := Assembly.new()
var _streamed := Assembly.new()
var _unread := 0


## options: keys of OPEN.
func _init(line: Line, box: Mailbox, times: Times, options: Dictionary) -> void:
	_line = line
	_box = box
	_times = times
	_options = options


## "lockstep" or "stream".
func mode() -> String:
	return _options["mode"]


## Begin a session.
func open(asked: HeliosCall) -> void:
	_opening = asked
	_options["nonce"] = Crypto.new().generate_random_bytes(16).hex_encode()


## Be the session that a FORK has opened, on the present connection.
func take_over(opened: Messages.Opened) -> void:
	_keep(opened)
	is_attached = true
	_answered = opened.next_seq - 1
	_asked = _answered


## Whether it needs the thread's attention more often.
func is_busy() -> bool:
	return over == null and (_current != null or _opening != null or _options["mode"] == "stream" or not is_attached)


## Ask when its turn has come.
func ask(asked: HeliosCall) -> void:
	if over != null:
		_finish(asked, null, over)
	elif _is_orphan_of(asked):
		_current = asked  # the answer of the same call, which ran out of time, is still on its way
	elif _waiting.size() >= _MOST_WAITING:
		_finish(asked, null, HeliosError.of("usage", "%d calls wait already; await them" % _MOST_WAITING))
	else:
		_waiting.append(asked)


## Stream mode: tell what is held, or allow chunks. Lost while the session has no connection.
func send_unasked(header: Dictionary, of_epoch: int) -> void:
	if over == null and is_attached and _line.is_up and of_epoch == epoch:
		header["sid"] = sid
		header["epoch"] = epoch
		_line.send(header, [], Times.now())


## The main thread has taken a chunk that came unasked.
func count_read() -> void:
	_unread -= 1


## Tell the server that it is over, after what is under way; what waits is not asked any more.
func leave(timeout: float) -> void:
	_is_leaving = true
	_waiting.clear()
	if is_attached:
		ask(HeliosCall.of("CLOSE", timeout))
	elif _opening == null or _attach_seq == 0:
		end(HeliosError.of("usage", "the client is closed"))


## End it without telling the server.
func end(why: HeliosError) -> void:
	if over != null:
		return
	over = why
	is_attached = false
	var calls := _waiting.duplicate()
	_waiting.clear()
	calls.append(_current)
	calls.append(_opening)
	_current = null
	_opening = null
	for asked: HeliosCall in calls:
		if asked != null:
			_finish(asked, null, why)
	_tell("_end", [why])


func tick(now: float) -> void:
	if over != null:
		return
	_expire(now)
	if over != null or not _line.is_up:
		return
	if not is_attached:
		_attach(now)
		return
	if _current == null and not _waiting.is_empty():
		_begin(now)
	elif _current != null and now >= _again_at and _may_repeat():
		_send_current(now)


## The connection is gone, or of no use for this session: RESUME comes next.
func detach(why: String, now: float) -> void:
	_attach_seq = 0
	if now - _attached_at > _WELL_S:
		_pause = 0.0
	_attach_at = now + _pause
	_pause = clampf(2 * _pause, _PAUSE_LEAST, _PAUSE_MOST)
	if is_attached:
		is_attached = false
		_tell("_detach", [why])


## What the server says to or about this session.
func take(message: Messages.Message, now: float) -> void:
	if over != null:
		return
	if message is Messages.Bye:
		_take_bye(message as Messages.Bye, now)
	elif _attach_seq > 0 and message.seq == _attach_seq:
		_take_attached(message, now)
	elif message is Messages.Chunk and message.seq == 0:
		_take_streamed(message as Messages.Chunk)
	elif message is Messages.Failure and message.seq == 0:
		_notice((message as Messages.Failure).error)
	elif _current != null and is_attached and message.seq == _answered + 1:
		_take_answer(message, now)


## Whether this message of no session that is known answers this one's OPEN.
func awaits(message: Messages.Message) -> bool:
	return over == null and _attach_seq > 0 and message.seq == _attach_seq


func _expire(now: float) -> void:
	for asked: HeliosCall in _waiting.filter(func(one: HeliosCall) -> bool: return now >= one.deadline):
		_waiting.erase(asked)
		_finish(asked, null, _too_late(asked))
	if _opening != null and now >= _opening.deadline:
		end(_too_late(_opening))
	elif _current != null and now >= _current.deadline and _current.type == "CLOSE":
		end(HeliosError.of("usage", "the session is closed"))
	elif _current != null and now >= _current.deadline and not _current.is_answered:
		_finish(_current, null, _too_late(_current))


func _too_late(asked: HeliosCall) -> HeliosError:
	if not _line.is_up:
		return _line.lost()
	var told := "no answer to %s within the time given; the same call again waits for the same answer"
	return HeliosError.of("timeout", told % asked.type, true)


func _attach(now: float) -> void:
	if _attach_seq > 0 and now - _attach_at < _times.repeat or now < _attach_at:
		return
	if _attach_seq == 0:
		_attach_seq = _line.number()
	_attach_at = now
	if _token.is_empty():
		var header := {"t": "OPEN", "seq": _attach_seq}
		header.merge(_options)
		_line.send(header, [], now)
	else:
		_line.send({"t": "RESUME", "sid": sid, "seq": _attach_seq, "token": _token, "last_seq": _answered}, [], now)


func _take_attached(message: Messages.Message, now: float) -> void:
	if message is Messages.Opened:
		_adopt(message as Messages.Opened, now)
	elif message is Messages.Failure:
		_take_attach_failure((message as Messages.Failure).error, now)


func _take_attach_failure(error: HeliosError, now: float) -> void:
	if error.code == "route":
		_line.drop(error, now)
	elif error.code == "draining" or error.retryable and not _token.is_empty():
		detach(error.message, now)
	elif error.code in ["auth", "unknown_session"] and not _token.is_empty():
		end(HeliosError.of("state", "the server has lost the session (%s); open another one" % error.message))
	else:
		end(error)


## The session is on this connection now. Which number does the server expect next?
func _adopt(opened: Messages.Opened, now: float) -> void:
	_attach_seq = 0
	_attached_at = now
	if opened.next_seq > _asked + 1:
		end(HeliosError.of("state", "somebody else has used the session in the meantime; open another one"))
		return
	var was_epoch := epoch
	_keep(opened)
	is_attached = true
	var went_back := opened.next_seq <= _answered
	if _current != null and _current.is_answered and opened.next_seq == _answered + 1:
		_current = null  # nobody waits for it any more, and it was not done
	if went_back or _current == null:
		_answered = opened.next_seq - 1
		_asked = _answered
	if _opening != null:
		var asked := _opening
		_opening = null
		_finish(asked, self, null)
		if _is_leaving:
			leave(_times.farewell)
		return
	_tell("_attach", [])
	var will_tell := _current != null and not _current.is_answered and _current.type in _JUMPS
	if went_back or epoch != was_epoch and not will_tell:
		_tell("_jump", [epoch])
	if went_back:
		_go_back(opened.index)
	elif _current != null:
		_send_current(now)


func _keep(opened: Messages.Opened) -> void:
	_token = opened.token
	epoch = opened.epoch
	if spec == null:  # read by the main thread, and the same for ever
		sid = opened.sid
		spec = opened.world


func _go_back(next_index: int) -> void:
	var told := "the server has gone back to an older state of this session, before chunk %d; what came after is undone"
	var error := HeliosError.of("state", told % next_index)
	if _current == null or _current.is_answered:
		_notice(error)
	else:
		_finish(_current, null, error)
	_current = null


func _begin(now: float) -> void:
	_current = _waiting.pop_front()
	_first_sent_at = now
	_send_current(now)


func _send_current(now: float) -> void:
	_asked = maxi(_asked, _answered + 1)
	var header := {"t": _current.type, "sid": sid, "seq": _answered + 1}
	if _current.type == "STEP":
		if _current.epoch == 0:
			_current.epoch = epoch
		header["epoch"] = _current.epoch
	header.merge(_current.keys)
	_line.send(header, _current.buffers, now)
	_sent_at = now
	_again_at = now + _times.repeat


## A request is repeated when it has gone out, the server is heard, and its answer is not on its way in.
func _may_repeat() -> bool:
	return _line.heard_at > _sent_at and not _line.is_receiving() and _line.is_flushed()


func _take_answer(message: Messages.Message, now: float) -> void:
	if message is Messages.Failure:
		_take_failure((message as Messages.Failure).error, now)
	elif message is Messages.Chunk and _current.type in ["RESET", "STEP"]:
		_take_part(message as Messages.Chunk, now)
	elif message is Messages.Opened and _current.type == "FORK":
		child = Core.new(_line, _box, _times, _options.duplicate())
		child.take_over(message as Messages.Opened)
		_finish(_current, child, null)
		_done()
	elif message is Messages.Closed and _current.type == "CLOSE":
		_finish(_current, null, null)
		_done()
		end(HeliosError.of("usage", "the session is closed"))
	elif message is Messages.Outcome and _ANSWERS.get(_current.type) == (message as Messages.Outcome).type:
		_take_outcome(message as Messages.Outcome)


func _take_part(message: Messages.Chunk, now: float) -> void:
	_again_at = now + _times.repeat
	var chunk := _answer.add(message)
	if chunk == null and _answer.fault == null:
		return
	epoch = message.chunk.epoch
	_current.epoch = epoch
	_current.index = message.chunk.index + 1
	_current.round_trip_ms = 1000.0 * (now - _first_sent_at)
	_conclude(chunk, _answer.fault)


func _take_outcome(outcome: Messages.Outcome) -> void:
	var value: Variant = null
	if outcome.type == "STATE":
		value = outcome.buffers[0]
	elif _current.type == "RECORD":
		value = outcome.path
	epoch = outcome.epoch
	_current.epoch = epoch
	_current.index = outcome.index
	_conclude(value, null)


func _take_failure(error: HeliosError, now: float) -> void:
	if _current.type == "CLOSE" and error.code == "unknown_session":
		_finish(_current, null, null)
		end(HeliosError.of("usage", "the session is closed"))
	elif error.code in _MOVED:
		detach(error.message, now)
	elif error.code == "stale":
		_finish(_current, null, error)
		_current = null  # its number may be taken or not: RESUME tells
		detach(error.message, now)
	elif error.code in _TRANSIENT and _current.type != "FORK" and now + _pause < _current.deadline:
		_pause = clampf(2 * _pause, _PAUSE_LEAST, _PAUSE_MOST)
		_again_at = now + _pause
		_sent_at = -INF
	else:
		_finish(_current, null, error)
		if error.code in _CHANGED_NOTHING:
			_current = null
		else:
			_done()


## The request was executed. A new epoch is told of also when nobody waits for the answer any more.
func _conclude(value: Variant, error: HeliosError) -> void:
	if _current.type in _JUMPS and (_current.is_answered or error != null):
		_tell("_jump", [epoch])
	_finish(_current, value, error)
	_done()


func _done() -> void:
	_answered += 1
	_current = null
	_pause = 0.0


func _take_streamed(message: Messages.Chunk) -> void:
	if message.chunk.epoch != epoch or _options["mode"] != "stream" or not is_attached:
		return
	var chunk := _streamed.add(message)
	if _streamed.fault != null:
		_notice(_streamed.fault)
	elif chunk != null and _unread < _MOST_UNREAD:
		_unread += 1
		_tell("_take_chunk", [chunk, Times.now()])


func _take_bye(bye: Messages.Bye, now: float) -> void:
	if bye.reason == "replaced":
		end(HeliosError.of("state", "the session was taken over by another connection; open another one"))
	elif not bye.sid.is_empty() and not bye.resumable:
		end(HeliosError.of("state", "the server has ended the session (%s); open another one" % bye.reason))
	else:
		detach("the server says goodbye: %s" % bye.reason, now)


func _is_orphan_of(asked: HeliosCall) -> bool:
	return (
		_current != null
		and _current.is_answered
		and _current.type == asked.type
		and _current.keys == asked.keys
		and _current.buffers == asked.buffers
	)


func _finish(asked: HeliosCall, value: Variant, error: HeliosError) -> void:
	if not asked.is_answered:
		asked.is_answered = true
		_box.answer(asked, value, error)


func _tell(method: StringName, arguments: Array) -> void:
	_box.tell(get_instance_id(), method, arguments)


func _notice(error: HeliosError) -> void:
	_box.tell(get_instance_id(), &"_notice", [error], true)
