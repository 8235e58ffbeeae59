extends RefCounted
## Shows chunks frame by frame on an absolute clock: frame k is due at start + k / fps. Time is given, not measured.

## What waits to be shown, at most; more drops the oldest.
const _MOST_QUEUED := 4
## So much later than due is late.
const _GRACE := 1e-6

## Frames per second.
var fps := 1.0
## What is on screen; null before the first chunk.
var chunk: HeliosChunk
## The number of the frame in it.
var number := -1
## How many times a frame was due and there was none; once per stall.
var underruns := 0
## That were returned by advance().
var frames_shown := 0
## A chunk is on its way, so that having none is an underrun.
var is_expecting := false

var _queue: Array[HeliosChunk] = []
var _start := 0.0
## Frames since `_start`, up to and with the one on screen.
var _count := 0
var _is_stalled := true
var _is_late := false


func _init(frames_per_second: float) -> void:
	fps = frames_per_second


## How many chunks wait.
func queued() -> int:
	return _queue.size()


func push(next: HeliosChunk) -> void:
	_queue.append(next)
	if _queue.size() > _MOST_QUEUED:
		_queue.pop_front()


## Show nothing more of what is here, as after a reset; what is pushed next begins at once.
func cut() -> void:
	_queue.clear()
	number = chunk.frames - 1 if chunk != null else -1
	_stall()
	_is_late = false


## Time stood still, as while a game is paused: go on from the frame on screen.
func hold() -> void:
	_stall()
	_is_late = false


## Move on to the frame that is due. True if there is a new one to be shown.
func advance(now: float) -> bool:
	if _is_stalled and _has_next():
		_start = now
		_count = 0
		_is_stalled = false
		_is_late = false
	var steps := 0
	while not _is_stalled and _start + _count / fps <= now + _GRACE:
		if not _has_next():
			_fall_behind()
			break
		_next()
		steps += 1
	frames_shown += mini(steps, 1)
	return steps > 0


## The image on screen; null before the first one.
func image() -> Image:
	return chunk.images[number] if chunk != null else null


func _has_next() -> bool:
	return not _queue.is_empty() or chunk != null and number + 1 < chunk.frames


func _next() -> void:
	number += 1
	_count += 1
	if chunk == null or number >= chunk.frames:
		chunk = _queue.pop_front()
		number = 0


func _fall_behind() -> void:
	if is_expecting and not _is_late:
		underruns += 1
	_is_late = true
	_stall()


func _stall() -> void:
	_is_stalled = true
