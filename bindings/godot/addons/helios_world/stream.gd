extends RefCounted
## A session in stream mode: sends what is held, allows the next chunk when the last one begins to be shown, and shows
## frames at their time. At most one chunk is ahead of the one on screen.

const Playback := preload("playback.gd")
## After so many seconds a chunk that was allowed is taken for lost: a server drops what exceeds its rate of messages.
const _IN_VAIN := 5.0
## Seconds between two INPUTs at least. What changes in between is told together: a server drops what is too much.
const _INPUT_S := 0.01

var playback: Playback
var inputs: HeliosInputs
## Chunks that were shown.
var chunks := 0
## Chunks that the server made and that never came, as after a broken connection.
var missing := 0
## The number of the newest INPUT that a chunk has had.
var applied := 0
## Milliseconds from a change of the input to the first frame that shows it, the newest; -1: none yet.
var input_ms := -1.0
## Milliseconds from allowing a chunk to having it, the newest; -1: none yet.
var chunk_ms := -1.0

var _session: HeliosSession
var _is_begun := false
var _allowed_at := -INF
var _is_allowed := false
## Of the newest INPUT when the chunk was allowed.
var _allowed_with := 0
var _told_at := -INF
var _next_index := -1
var _shown: HeliosChunk
## Chunk to when the oldest change was made that it is the first to show.
var _changes := {}


func _init(session: HeliosSession) -> void:
	_session = session
	playback = Playback.new(session.spec.fps)
	inputs = HeliosInputs.new(session.spec)
	session.chunk_received.connect(_take)
	session.resumed.connect(_resume)
	session.jumped.connect(begin.bind(null))
	session.noticed.connect(_give_up)


## A new epoch: with the chunk of a reset, or null after a restore.
func begin(first: HeliosChunk) -> void:
	playback.cut()
	inputs.renew()
	_changes.clear()
	_is_allowed = false
	_is_begun = true
	_allowed_with = 0
	_next_index = -1
	if first != null:
		_take(first, 0.0)


## Send and show what is due; true if there is a new frame.
func advance(now: float) -> bool:
	var is_new := playback.advance(now)
	if is_new and playback.chunk != _shown:
		_shown = playback.chunk
		chunks += 1
		_measure_input(now)
	_talk(now)
	return is_new


func _talk(now: float) -> void:
	if not _is_begun or not _session.is_attached:
		return
	if _is_allowed and _is_in_vain(now):
		_is_allowed = false
	var is_time := not _is_allowed and playback.queued() == 0
	# The input first, so that the chunk that is allowed has it.
	if is_time or now >= _told_at + _INPUT_S:
		_tell(now)
	if is_time:
		_is_allowed = true
		_allowed_at = now
		_allowed_with = inputs.last_number()
		_session.give_credit()
	playback.is_expecting = true


func _tell(now: float) -> void:
	var input := inputs.take()
	if not input.is_empty():
		_told_at = now
		_session.send_input(input)


## If it does come, there is one more ahead for a moment.
func _is_in_vain(now: float) -> bool:
	return now > _allowed_at + (_IN_VAIN if _session.is_idle_since(_allowed_at) else _session.timeout)


func _measure_input(now: float) -> void:
	for index: int in _changes.keys():
		if index <= _shown.index:
			input_ms = 1000.0 * (now - _changes[index])
			_changes.erase(index)


func _take(chunk: HeliosChunk, at: float) -> void:
	if chunk.index < _next_index:
		return
	if _is_allowed and at > 0.0:
		chunk_ms = 1000.0 * (at - _allowed_at)
	if _next_index >= 0:
		missing += chunk.index - _next_index
	_next_index = chunk.index + 1
	_is_allowed = false
	applied = maxi(applied, chunk.applied)
	var changed_at := inputs.seen(chunk.applied)
	if changed_at < INF:
		_changes[chunk.index] = changed_at
	if at > 0.0 and chunk.applied < _allowed_with:
		inputs.repeat()  # what was sent before the chunk was allowed has not arrived
	playback.push(chunk)


func _resume() -> void:
	_is_allowed = false
	inputs.repeat()


func _give_up(_error: HeliosError) -> void:
	_is_allowed = false
