@icon("icons/helios_world.svg")
class_name HeliosWorld
extends Node
## A world that a helios-world server dreams while it is played.
##
## Start a server with [code]helios-world serve nano[/code], add this node and a [HeliosScreen] below it, and run. In
## stream mode everything goes by itself: what the InputMap says is sent, and frames come at their time. In lockstep
## mode the game says when the world goes on: [code]var chunk := await world.step(action)[/code].
## [br][br]
## Methods that talk to the server are awaited. Where they fail they give null, false or nothing, and [signal error]
## tells why. A connection that breaks is made up for.

## There is a connection to a server.
signal connected(server: String)
## A session has begun; [member spec] tells what the world is.
signal opened(spec: HeliosSpec)
## The connection is gone; it is tried to have it again.
signal disconnected(reason: String)
## The session goes on after a disconnection.
signal resumed
## A chunk has come; its frames are yet to be shown.
signal chunk_ready(chunk: HeliosChunk)
## A frame is to be shown now. Images are shared: change a duplicate.
signal frame_ready(frame: Image)
## Another prompt has the greatest share in what is shown.
signal prompt_changed(text: String)
## The session is over.
signal closed
## Something went wrong. For the codes see [HeliosError].
signal error(code: String, message: String, retryable: bool)

const _InputMap := preload("input_map.gd")
const _Playback := preload("playback.gd")
const _Stream := preload("stream.gd")
const _Times := preload("client/times.gd")
const _AGAIN_S := 2.0
## What a fork has as its parent has it.
const _SHARED := [
	"address",
	"world",
	"prompt",
	"seed",
	"mode",
	"timeout",
	"encoding",
	"quality",
	"progressive",
	"input_enabled",
	"actions",
	"mouse_x_axis",
	"mouse_y_axis",
	"mouse_sensitivity",
]

## Of the server, "tcp://host:port" or "host:port".
@export var address := "tcp://127.0.0.1:5555"
## One of the server's worlds; empty: its default.
@export var world := ""
## What the world is to be at the start; empty: one of the world's examples.
@export_multiline var prompt := ""
## The same seed and the same actions give the same frames on the same server.
@warning_ignore("shadowed_global_identifier") @export_range(0, 2147483647, 1, "or_greater") var seed := 0
## "stream": the server goes on by itself. "lockstep": each [method step] makes one chunk.
@export_enum("stream", "lockstep") var mode := "stream"
## Open the world and begin as soon as the node is ready; try again while that fails.
@export var autostart := true
## Seconds that a call takes at most.
@export_range(0.5, 600.0, 0.5, "or_greater", "suffix:s") var timeout := 30.0

@export_group("Frames")
## How frames travel: "rgb24" is exact, "jpeg" is for slow networks.
@export_enum("rgb24", "jpeg") var encoding := "rgb24"
## Of "jpeg".
@export_range(1, 100, 1) var quality := 90
## Frames are sent while others of their chunk are still being encoded.
@export var progressive := false

@export_group("Input")
## Stream mode: follow Godot's InputMap. Switching it off lets go of everything.
@export var input_enabled := true:
	set(value):
		input_enabled = value
		if not value and _stream != null:
			_map.let_go(_stream.inputs)
			_stream.inputs.release_all()
## Name of a button to the action of the InputMap that holds it, and of an axis to one action or to [negative,
## positive]. What is not named here follows the action of its own name, or "helios_" and its name.
@export var actions := {}
## The axis that the mouse moves sideways; empty: none.
@export var mouse_x_axis := ""
## The axis that the mouse moves up and down; empty: none.
@export var mouse_y_axis := ""
## What one pixel adds to these axes.
@export var mouse_sensitivity := 1.0

## "closed", "connecting", "connected" (no session yet), "open", "resuming".
var state: String:
	get:
		return _state()
## What the world is; null before it is open.
var spec: HeliosSpec
## Whose frames are shown; null before the first.
var chunk: HeliosChunk
## What is shown; null before the first.
var frame: Image
## Has every frame from now on, for materials and controls.
var texture: ImageTexture:
	get:
		return _lend_texture()
## Stream mode: what is held, for games that steer by themselves; null before the world is open.
var inputs: HeliosInputs:
	get:
		return _stream.inputs if _stream != null else null
## Keys: round_trip_ms (of the newest request or chunk), input_ms (change of input to the frame that shows it), both -1
## before there is one; underruns, frames_shown, chunks, missing, dropped_messages, resumes, bytes_received.
var statistics: Dictionary:
	get:
		return _statistics()

var _texture: ImageTexture
var _client: HeliosClient
var _session: HeliosSession
var _stream: _Stream
var _playback: _Playback
var _map: _InputMap
## Under way.
var _calls: Array[HeliosCall] = []
var _is_leaving := false
var _never := HeliosCall.new()
var _is_opening := false
var _is_wanted := false
var _try_at := INF
var _chunks := 0
var _resumes := 0
var _round_trip_ms := -1.0
var _main_prompt := ""


## Connect, if that is not done, and begin a session. True on success.
func open() -> bool:
	if _is_opening or _session != null:
		_fail(HeliosError.of("usage", "the world is open already; close() it first"))
		return false
	var fault := HeliosClient.option_fault(_options())
	if fault:
		_fail(HeliosError.of("usage", fault))
		return false
	_is_opening = true
	_is_wanted = true
	_try_at = INF
	var asked := await _connect_client()
	if asked.error == null:
		asked = await _wait(_client.open(_options()))
	_is_opening = false
	if asked.error != null:
		if not asked.is_abandoned:
			_fail(asked.error)
		return false
	_adopt(asked.value as HeliosSession)
	return true


## Begin the world anew; its first chunk, or null. An empty text: one of the world's examples.
func reset(seed_number: int = seed, text: String = prompt) -> HeliosChunk:
	var asked := await _ask(func() -> HeliosCall: return _session.reset(seed_number, text))
	if asked.error != null:
		return null
	_begin(asked.value as HeliosChunk)
	return asked.value


## Lockstep mode: make the next chunk with this held, and a new prompt unless it is empty. Null on failure.
func step(action: HeliosAction = null, text: String = "") -> HeliosChunk:
	var asked := await _ask(func() -> HeliosCall: return _session.step(action, text))
	if asked.error == null:
		_take(asked.value as HeliosChunk)
	return asked.value


## Change the prompt of the chunks from the next one on.
func set_prompt(text: String) -> bool:
	return (await _ask(func() -> HeliosCall: return _session.set_prompt(text))).error == null


## The world's whole state, as bytes for [method restore]; empty on failure.
func snapshot() -> PackedByteArray:
	var asked := await _ask(func() -> HeliosCall: return _session.snapshot())
	return asked.value if asked.error == null else PackedByteArray()


## Go on from a snapshot of the same world, from this or another session.
func restore(saved: PackedByteArray) -> bool:
	var asked := await _ask(func() -> HeliosCall: return _session.restore(saved))
	if asked.error == null:
		_begin(null)
	return asked.error == null


## A second world in the same state, which goes its own way; null on failure. Add it to the tree, or free it.
func fork() -> HeliosWorld:
	var asked := await _ask(func() -> HeliosCall: return _session.fork())
	if asked.error != null:
		return null
	var twin := HeliosWorld.new()
	for property: String in _SHARED:
		twin.set(property, get(property))
	twin.autostart = false
	twin._share(_client)
	twin._adopt(asked.value as HeliosSession)
	twin._begin(null)
	return twin


## Begin or end the server's recording; the video's name there, "" on failure.
func record(on: bool = true) -> String:
	var asked := await _ask(func() -> HeliosCall: return _session.record(on))
	return asked.value if asked.error == null else ""


## End the session and the connection.
func close() -> void:
	_is_wanted = false
	_try_at = INF
	var was_there := _client != null
	_leave()
	if was_there:
		closed.emit()


## What the InputMap holds now, as an action for [method step].
func held_action() -> HeliosAction:
	return _map.action() if _map != null else HeliosAction.new()


func _ready() -> void:
	if autostart and not Engine.is_editor_hint():
		_start()


func _notification(what: int) -> void:
	match what:
		NOTIFICATION_PREDELETE:
			_is_wanted = false
			_is_leaving = true
			_leave()
		NOTIFICATION_ENTER_TREE:
			_listen()
		NOTIFICATION_EXIT_TREE:
			_ignore()
			_stand_still()
		NOTIFICATION_PAUSED, NOTIFICATION_DISABLED:
			_stand_still()
		NOTIFICATION_APPLICATION_FOCUS_OUT:
			if _stream != null:
				_map.let_go(_stream.inputs)


func _input(event: InputEvent) -> void:
	if event is InputEventMouseMotion and _stream != null and input_enabled:
		_map.add_mouse((event as InputEventMouseMotion).relative)


func _process(delta: float) -> void:
	var now := _Times.now()
	if now >= _try_at:
		_try_at = INF
		_start()
	if _session == null:
		return
	if _stream != null and input_enabled:
		_map.sample(_stream.inputs, delta / Engine.time_scale if Engine.time_scale > 0.0 else 0.0)
		_map.sample_mouse(_stream.inputs, mouse_x_axis, mouse_y_axis, mouse_sensitivity)
	var is_new := _stream.advance(now) if _stream != null else _playback.advance(now)
	if is_new:
		_show()


## Also while the game is paused: a menu may await a snapshot. Forks share the client. This node may be freed by whoever
## hears of something, and so is no part of the call.
func _listen() -> void:
	if _client != null:
		get_tree().process_frame.connect(_client.poll, CONNECT_REFERENCE_COUNTED)


func _ignore() -> void:
	if _client != null:
		get_tree().process_frame.disconnect(_client.poll)


## The clock of frames begins anew when the node goes on.
func _stand_still() -> void:
	if _playback != null:
		_playback.hold()


## Open and begin; with autostart until that works.
func _start() -> void:
	var is_open := _session != null or await open()
	var is_begun := is_open and await reset() != null
	if not is_begun and _is_wanted and autostart:
		_try_at = _Times.now() + _AGAIN_S


func _connect_client() -> HeliosCall:
	_leave()
	_share(HeliosClient.new())
	var asked := await _wait(_client.connect_to(address, timeout))
	if asked.error != null and _client != null:
		_leave()
	return asked


func _share(client: HeliosClient) -> void:
	_client = client
	_client.share()
	if is_inside_tree():
		_listen()
	_client.connected.connect(_on_connected)
	_client.disconnected.connect(_on_disconnected)


func _leave() -> void:
	if _session != null:
		_session.close()
		_drop_session()
	if _client != null:
		var client := _client
		if is_inside_tree():
			_ignore()
		_client = null
		client.connected.disconnect(_on_connected)
		client.disconnected.disconnect(_on_disconnected)
		client.leave()
	for asked: HeliosCall in _calls.duplicate():
		asked.abandon()


func _options() -> Dictionary:
	return {"world": world, "mode": mode, "encoding": encoding, "quality": quality, "progressive": progressive}


func _adopt(session: HeliosSession) -> void:
	_session = session
	_session.timeout = timeout
	_session.resumed.connect(_on_resumed)
	_session.noticed.connect(_fail)
	_session.ended.connect(_on_ended)
	_session.chunk_received.connect(_on_chunk)
	spec = session.spec
	_map = _InputMap.new(spec, actions)
	if session.mode == "stream":
		_stream = _Stream.new(session)
		_playback = _stream.playback
	else:
		_playback = _Playback.new(spec.fps)
	opened.emit(spec)


func _drop_session() -> void:
	for pair: Array in [
		[_session.resumed, _on_resumed],
		[_session.noticed, _fail],
		[_session.ended, _on_ended],
		[_session.chunk_received, _on_chunk],
	]:
		(pair[0] as Signal).disconnect(pair[1] as Callable)
	_session = null
	_stream = null
	_playback = null


func _ask(make: Callable) -> HeliosCall:
	var asked: HeliosCall
	if _session == null:
		asked = HeliosCall.failed("usage", "the world is not open (%s); await open() first" % _state())
	else:
		asked = make.call()
	if asked.is_done and is_inside_tree():
		# A game that asks again and again shall not stand still for that.
		await get_tree().process_frame
	await _wait(asked)
	if asked.error != null and not asked.is_abandoned:
		_fail(asked.error)
	elif asked.round_trip_ms > 0.0:
		_round_trip_ms = asked.round_trip_ms
	return asked


## The end of the call. A call that is under way when this node goes ends before; the next one never does, or a game
## that asks in a loop would do so for ever.
func _wait(asked: HeliosCall) -> HeliosCall:
	if _is_leaving:
		await _never.finished
	if not asked.is_done:
		_calls.append(asked)
		await asked.finished
		_calls.erase(asked)
	return asked


## A new epoch: with its first chunk, or null after a restore.
func _begin(first: HeliosChunk) -> void:
	if _stream != null:
		_stream.begin(first)
	else:
		_playback.cut()
	if first != null:
		_take(first)


func _take(came: HeliosChunk) -> void:
	_chunks += 1
	if _stream == null:
		_playback.push(came)
	chunk_ready.emit(came)


func _show() -> void:
	chunk = _playback.chunk
	frame = _playback.image()
	if _texture != null:
		_update_texture()
	frame_ready.emit(frame)
	var text := chunk.main_prompt()
	if text != _main_prompt:
		_main_prompt = text
		prompt_changed.emit(text)


func _lend_texture() -> ImageTexture:
	if _texture == null:
		_texture = ImageTexture.new()
		if frame != null:
			_update_texture()
	return _texture


func _update_texture() -> void:
	if _texture.get_size() == Vector2(frame.get_size()):
		_texture.update(frame)
	else:
		_texture.set_image(frame)


func _fail(what: HeliosError) -> void:
	push_error("Helios: %s" % what)
	error.emit(what.code, what.message, what.retryable)


func _state() -> String:
	if _client == null:
		return "closed"
	if _session == null:
		return _client.state
	return "open" if _session.is_attached else "resuming"


func _statistics() -> Dictionary:
	var figures := _client.figures() if _client != null else {}
	return {
		"round_trip_ms": _stream.chunk_ms if _stream != null else _round_trip_ms,
		"input_ms": _stream.input_ms if _stream != null else -1.0,
		"underruns": _playback.underruns if _playback != null else 0,
		"frames_shown": _playback.frames_shown if _playback != null else 0,
		"chunks": _chunks,
		"missing": _stream.missing if _stream != null else 0,
		"dropped_messages": figures.get("dropped_messages", 0),
		"resumes": _resumes,
		"bytes_received": figures.get("bytes_received", 0),
	}


func _on_connected(server: String) -> void:
	connected.emit(server)


func _on_disconnected(reason: String) -> void:
	disconnected.emit(reason)


func _on_resumed() -> void:
	_resumes += 1
	resumed.emit()


func _on_chunk(came: HeliosChunk, _at: float) -> void:
	_chunks += 1
	chunk_ready.emit(came)


func _on_ended(why: HeliosError) -> void:
	_fail(why)
	_drop_session()
	_leave()
	if _is_wanted and autostart:
		_try_at = _Times.now() + _AGAIN_S
	closed.emit()
