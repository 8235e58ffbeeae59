@icon("icons/helios_world.svg")
class_name HeliosCall
extends RefCounted
## A call under way. Await it with [method wait], or ask [member is_done] now and then.

## The call is over.
signal finished

const _Times := preload("client/times.gd")

## Whether it is over.
var is_done := false
## What went wrong; null if all is well.
var error: HeliosError
## What it gave: a HeliosChunk (reset, step), a PackedByteArray (snapshot), a HeliosSession (open, fork), a String
## (record), a HeliosSpec (connect); null for others and on failure.
var value: Variant
## Of the next chunk, where the answer says so (snapshot, restore, record, prompt).
var index := 0
## The session's present epoch, where the answer says so.
var epoch := 0
## The world, or the client, was closed while it was under way.
var is_abandoned := false
## Milliseconds between sending it and having the whole answer.
var round_trip_ms := 0.0

## Type of the message, and its keys without `t`, `sid`, `seq` and `epoch`.
var type := ""
var keys := {}
var buffers: Array[PackedByteArray] = []
## On the client's thread: the answer is on its way to the main thread.
var is_answered := false
## In monotonic seconds.
var deadline := 0.0


static func of(message_type: String, timeout_s: float, message_keys: Dictionary = {}) -> HeliosCall:
	var made := HeliosCall.new()
	made.type = message_type
	made.keys = message_keys
	made.deadline = _Times.now() + timeout_s
	return made


## One that has failed before anything was sent.
static func failed(code: String, message: String) -> HeliosCall:
	var made := HeliosCall.new()
	made.finish(null, HeliosError.of(code, message))
	return made


## Until it is over; then this call itself.
func wait() -> HeliosCall:
	if not is_done:
		await finished
	return self


## On the main thread, by the client.
func finish(what: Variant, why: HeliosError) -> void:
	if is_done:
		return
	value = what
	error = why
	is_done = true
	finished.emit()


## On the main thread: whoever asked is about to go.
func abandon() -> void:
	is_abandoned = not is_done
	finish(null, HeliosError.of("usage", "the world was closed while %s was under way" % type))
