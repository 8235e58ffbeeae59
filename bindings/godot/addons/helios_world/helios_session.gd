@icon("icons/helios_world.svg")
class_name HeliosSession
extends RefCounted
## A session with a server: one world that goes on. [HeliosClient] opens it.
##
## Every method gives a [HeliosCall] at once; [code]await session.step().wait()[/code] waits for its end. A request
## whose answer is lost is repeated and done once; a connection that breaks is made up for.

## The connection is gone; calls wait, and the session is taken up again by itself.
signal detached(reason: String)
## The session goes on, on another connection.
signal resumed
## A new epoch, or an older state, that no call has told of: what was shown is over.
signal jumped
## Stream mode: a chunk came unasked, at [param at] monotonic seconds.
signal chunk_received(chunk: HeliosChunk, at: float)
## Something went wrong that no call is to blame for.
signal noticed(error: HeliosError)
## The session is no more.
signal ended(error: HeliosError)

const _Core := preload("client/core.gd")
const _Mailbox := preload("client/mailbox.gd")
const _MOST_TEXT := 2000

## What the world is.
var spec: HeliosSpec
## The server's name for the session.
var sid := ""
## "lockstep" or "stream".
var mode := ""
## 0 before the first reset; each reset and restore adds 1.
var epoch := 0
## Whether it has a connection now.
var is_attached := true
## Whether it is no more.
var is_over := false
## Seconds that a call takes at most.
var timeout := 30.0

var _core: _Core
var _box: _Mailbox
var _room := 0


## By the client. room: bytes that a message may have.
func _init(core: _Core, box: _Mailbox, session_mode: String, room: int, timeout_s: float) -> void:
	_core = core
	_box = box
	mode = session_mode
	_room = room
	timeout = timeout_s
	spec = core.spec
	sid = core.sid
	epoch = core.epoch


## Begin the world anew. The same seed, prompt and steps give the same frames. An empty prompt: one of the world's.
func reset(seed_number: int = 0, prompt: String = "") -> HeliosCall:
	if seed_number < 0:
		return HeliosCall.failed("usage", "the seed is %d; it must be 0 or more" % seed_number)
	var keys := {"seed": seed_number, "prompt": null if prompt.is_empty() else prompt, "start": "prompt", "parts": []}
	return _ask("RESET", keys, text_fault(prompt))


## Lockstep mode: make the next chunk with this held. An empty prompt keeps the present one.
func step(action: HeliosAction = null, prompt: String = "") -> HeliosCall:
	var held := action if action != null else HeliosAction.new()
	var fault := held.fault()
	var keys := {"action": held.to_map(), "prompt": null if prompt.is_empty() else prompt, "client_time": null}
	return _ask("STEP", keys, fault if fault else text_fault(prompt))


## Change the prompt of the chunks from the next one on.
func set_prompt(text: String) -> HeliosCall:
	return _ask("PROMPT", {"prompt": text}, text_fault(text))


## The world's whole state, as a PackedByteArray.
func snapshot() -> HeliosCall:
	return _ask("SNAPSHOT", {})


## Go on from a snapshot of the same world.
func restore(state: PackedByteArray) -> HeliosCall:
	if state.size() > _room - (1 << 16):
		return HeliosCall.failed("too_large", "%d bytes are more than the server takes (%d)" % [state.size(), _room])
	return _ask("RESTORE", {"parts": [{"bytes": state.size()}]}, "", [state.duplicate()])


## A second session in the same state, on the same connection.
func fork() -> HeliosCall:
	return _ask("FORK", {})


## Begin or end the server's recording; gives the name of the video there.
func record(on: bool = true) -> HeliosCall:
	return _ask("RECORD", {"on": on})


## End the session.
func close() -> HeliosCall:
	return _ask("CLOSE", {})


## Stream mode: tell the server what is held now. `keys` are those of INPUT without `sid` and `epoch`.
func send_input(keys: Dictionary) -> void:
	var header := {"t": "INPUT"}
	header.merge(keys)
	_box.command(_core.send_unasked.bind(header, epoch))


## Stream mode: allow one chunk more.
func give_credit() -> void:
	_box.command(_core.send_unasked.bind({"t": "CREDIT", "n": 1}, epoch))


## Whether the server has said after that moment (monotonic seconds) that it computes nothing.
func is_idle_since(moment: float) -> bool:
	return _box.idle_at() > moment


func _ask(type: String, keys: Dictionary, fault: String = "", buffers: Array[PackedByteArray] = []) -> HeliosCall:
	if fault:
		return HeliosCall.failed("usage", fault)
	if is_over:
		return HeliosCall.failed("usage", "the session is closed; open another one")
	var asked := HeliosCall.of(type, timeout, keys)
	asked.buffers = buffers
	asked.finished.connect(_learn.bind(weakref(asked)), CONNECT_ONE_SHOT)
	_box.begin_call(asked, _core.ask.bind(asked))
	return asked


## The epoch is known before whoever awaits the call goes on.
func _learn(weak: WeakRef) -> void:
	var asked: HeliosCall = weak.get_ref()
	if asked != null and asked.error == null and asked.type in ["RESET", "RESTORE"]:
		epoch = asked.epoch


## Why a text can be no prompt; "" if it can.
static func text_fault(text: String) -> String:
	if text.length() > _MOST_TEXT:
		return "a prompt of %d characters; at most %d are allowed" % [text.length(), _MOST_TEXT]
	for character: int in text.length():
		if text.unicode_at(character) >> 11 == 0x1B:
			return "the prompt has half a surrogate pair at %d, which is no character" % character
	return ""


func _take_chunk(chunk: HeliosChunk, at: float) -> void:
	_box.command(_core.count_read)
	if chunk.epoch == epoch:
		chunk_received.emit(chunk, at)


func _detach(reason: String) -> void:
	is_attached = false
	detached.emit(reason)


func _attach() -> void:
	is_attached = true
	resumed.emit()


func _jump(present_epoch: int) -> void:
	epoch = present_epoch
	jumped.emit()


func _notice(error: HeliosError) -> void:
	noticed.emit(error)


func _end(error: HeliosError) -> void:
	is_over = true
	is_attached = false
	ended.emit(error)
