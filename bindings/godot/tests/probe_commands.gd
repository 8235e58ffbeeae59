extends RefCounted
## What the probe can do: each command is a method that gives what is to be answered.

const Bench := preload("probe_bench.gd")
const Fuzz := preload("probe_fuzz.gd")
const Stream := preload("res://addons/helios_world/stream.gd")
const Times := preload("res://addons/helios_world/client/times.gd")

var is_over := false

var _client: HeliosClient
var _sessions := {}
var _streams := {}
var _name := "main"
var _chunk: HeliosChunk
var _states := {}
var _resumes := 0
var _repeat_s := 5.0
var _timeout := 20.0


## Do what the line says; {} for an empty line.
func run(line: String) -> Dictionary:
	var words := line.split(" ", false)
	if words.is_empty():
		return {}
	var arguments := {}
	for word: String in words.slice(1):
		var pair := word.split("=", true, 1)
		arguments[pair[0]] = pair[1].uri_decode() if pair.size() > 1 else ""
	if not has_method("_do_" + words[0]):
		return _usage("the command %s is not known" % words[0])
	return callv("_do_" + words[0], [arguments])


func end() -> void:
	if _client != null:
		_client.close()
	_client = null
	_sessions.clear()
	_streams.clear()


## Wait for the end of a call, at most for its own time and a little.
static func settle(client: HeliosClient, asked: HeliosCall) -> HeliosCall:
	var until := Times.now() + 60.0
	while not asked.is_done and Times.now() < until:
		client.poll()
		if not asked.is_done:
			OS.delay_usec(100)
	return asked


func _do_connect(arguments: Dictionary) -> Dictionary:
	end()
	_name = "main"
	_chunk = null
	_resumes = 0
	_client = HeliosClient.new()
	_client.times.repeat = _repeat_s
	var timeout: float = float(arguments.get("timeout", str(_timeout)))
	var asked := settle(_client, _client.connect_to(str(arguments.get("address")), timeout))
	if asked.error != null:
		return _failed(asked.error)
	_client.times.timeout = _timeout
	return {"ok": "connected", "server": _client.server, "version": _client.version, "worlds": _client.worlds}


func _do_open(arguments: Dictionary) -> Dictionary:
	if _client == null:
		return _usage("connect first")
	var options := {"progressive": arguments.get("progressive", "0") == "1"}
	for key: String in ["mode", "encoding", "world"]:
		if arguments.has(key):
			options[key] = arguments[key]
	if arguments.has("quality"):
		options["quality"] = int(arguments["quality"])
	var asked := settle(_client, _client.open(options))
	if asked.error != null:
		return _failed(asked.error)
	_name = "main"
	return _opened(asked)


func _do_reset(arguments: Dictionary) -> Dictionary:
	return _take_chunk(
		func(on: HeliosSession) -> HeliosCall:
			return on.reset(int(arguments.get("seed", "0")), str(arguments.get("prompt", "")))
	)


func _do_step(arguments: Dictionary) -> Dictionary:
	return _take_chunk(
		func(on: HeliosSession) -> HeliosCall: return on.step(_action(arguments), str(arguments.get("prompt", "")))
	)


func _do_prompt(arguments: Dictionary) -> Dictionary:
	return _take_done(func(on: HeliosSession) -> HeliosCall: return on.set_prompt(str(arguments.get("text", ""))))


func _do_snapshot(arguments: Dictionary) -> Dictionary:
	var asked := _call(func(on: HeliosSession) -> HeliosCall: return on.snapshot())
	if asked.error != null:
		return _failed(asked.error)
	var state: PackedByteArray = asked.value
	_states[arguments.get("name", "")] = state
	return {"ok": "state", "bytes": state.size(), "sha256": _sha256(state), "index": asked.index}


func _do_restore(arguments: Dictionary) -> Dictionary:
	if not _states.has(arguments.get("name", "")):
		return _usage("no snapshot of that name")
	var state: PackedByteArray = _states[arguments.get("name", "")]
	return _take_done(func(on: HeliosSession) -> HeliosCall: return on.restore(state))


func _do_fork(arguments: Dictionary) -> Dictionary:
	var parent: HeliosSession = _sessions.get(_name)
	var asked := _call(func(on: HeliosSession) -> HeliosCall: return on.fork())
	if asked.error != null:
		return _failed(asked.error)
	var session: HeliosSession = asked.value
	_keep(str(arguments.get("name", "")), session)
	return {"ok": "opened", "sid": session.sid, "parent": parent.sid}


func _do_use(arguments: Dictionary) -> Dictionary:
	if not _sessions.has(arguments.get("name")):
		return _usage("no session of that name")
	_name = arguments["name"]
	return {"ok": "using", "name": _name}


func _do_save(arguments: Dictionary) -> Dictionary:
	var file := FileAccess.open(str(arguments["path"]), FileAccess.WRITE)
	if file == null or not _states.has(arguments.get("name")):
		return _usage("no such snapshot, or the file cannot be written")
	file.store_buffer(_states[arguments["name"]] as PackedByteArray)
	return {"ok": "saved"}


func _do_load(arguments: Dictionary) -> Dictionary:
	if not FileAccess.file_exists(str(arguments["path"])):
		return _usage("no such file")
	_states[arguments.get("name", "")] = FileAccess.get_file_as_bytes(str(arguments["path"]))
	return {"ok": "loaded"}


func _do_pixels(arguments: Dictionary) -> Dictionary:
	var frame := int(arguments.get("frame", "0"))
	if _chunk == null or frame < 0 or frame >= _chunk.frames:
		return _usage("there is no frame %d" % frame)
	var data := _chunk.images[frame].get_data()
	if arguments.has("path"):
		FileAccess.open(str(arguments["path"]), FileAccess.WRITE).store_buffer(data)
	return {"ok": "pixels", "sha256": _sha256(data)}


func _do_stream(arguments: Dictionary) -> Dictionary:
	var stream: Stream = _streams.get(_name)
	if stream == null:
		return _usage("open mode=stream first")
	for button: String in str(arguments.get("buttons", "")).split(",", false):
		stream.inputs.press(button)
	if arguments.has("prompt"):
		stream.inputs.say(str(arguments["prompt"]))
	var before := [stream.chunks, stream.playback.frames_shown, stream.playback.underruns, stream.missing]
	var until := Times.now() + float(arguments.get("seconds", "1"))
	stream.playback.hold()
	while Times.now() < until:
		_client.poll()
		stream.advance(Times.now())
		OS.delay_usec(1000)
	stream.inputs.release_all()
	return {
		"ok": "stream",
		"chunks": stream.chunks - before[0],
		"frames_shown": stream.playback.frames_shown - before[1],
		"underruns": stream.playback.underruns - before[2],
		"missing": stream.missing - before[3],
		"applied": stream.applied,
		"input_ms": stream.input_ms,
	}


func _do_bench(arguments: Dictionary) -> Dictionary:
	var session: HeliosSession = _sessions.get(_name)
	if session == null:
		return _usage("open and reset first")
	return Bench.run(_client, session, int(arguments.get("chunks", "60")), int(arguments.get("warmup", "10")))


func _do_fuzz(arguments: Dictionary) -> Dictionary:
	return Fuzz.run(
		str(arguments.get("address")), float(arguments.get("seconds", "10")), int(arguments.get("messages", "1000"))
	)


func _do_status(_arguments: Dictionary) -> Dictionary:
	if _client == null:
		return {"ok": "status", "state": "closed", "resumes": _resumes, "dropped": 0, "bytes": 0}
	_client.poll()
	var figures := _client.figures()
	return {
		"ok": "status",
		"state": _client.state,
		"resumes": _resumes,
		"dropped": figures["dropped_messages"],
		"bytes": figures["bytes_received"],
	}


func _do_sleep(arguments: Dictionary) -> Dictionary:
	var until := Times.now() + float(arguments.get("ms", "0")) / 1000.0
	while Times.now() < until:
		if _client != null:
			_client.poll()
		OS.delay_msec(1)
	return {"ok": "slept"}


func _do_set(arguments: Dictionary) -> Dictionary:
	_repeat_s = float(arguments.get("repeat_s", str(_repeat_s)))
	_timeout = float(arguments.get("timeout", str(_timeout)))
	if _client != null:
		_client.times.repeat = _repeat_s
		_client.times.timeout = _timeout
	for session: HeliosSession in _sessions.values():
		session.timeout = _timeout
	return {"ok": "set"}


func _do_close(_arguments: Dictionary) -> Dictionary:
	var asked := _call(func(on: HeliosSession) -> HeliosCall: return on.close())
	if asked.error != null:
		return _failed(asked.error)
	_sessions.erase(_name)
	_streams.erase(_name)
	return {"ok": "closed"}


func _do_disconnect(_arguments: Dictionary) -> Dictionary:
	end()
	return {"ok": "disconnected"}


func _do_quit(_arguments: Dictionary) -> Dictionary:
	is_over = true
	return {}


func _opened(asked: HeliosCall) -> Dictionary:
	var session: HeliosSession = asked.value
	_keep(_name, session)
	return {
		"ok": "opened",
		"sid": session.sid,
		"world": session.spec.name,
		"fps": session.spec.fps,
		"height": session.spec.height,
		"width": session.spec.width,
		"frames_per_chunk": session.spec.frames_per_chunk,
		"buttons": session.spec.button_names(),
		"axes": session.spec.axis_names(),
	}


func _keep(name: String, session: HeliosSession) -> void:
	session.timeout = _timeout
	session.resumed.connect(func() -> void: _resumes += 1)
	_sessions[name] = session
	if session.mode == "stream":
		_streams[name] = Stream.new(session)


func _call(make: Callable) -> HeliosCall:
	var session: HeliosSession = _sessions.get(_name)
	if session == null:
		return HeliosCall.failed("usage", "there is no session; open one")
	return settle(_client, make.call(session) as HeliosCall)


func _take_done(make: Callable) -> Dictionary:
	var asked := _call(make)
	if asked.error != null:
		return _failed(asked.error)
	if asked.type == "RESTORE" and _streams.has(_name):
		(_streams[_name] as Stream).begin(null)
	return {"ok": "done", "index": asked.index, "epoch": asked.epoch}


func _take_chunk(make: Callable) -> Dictionary:
	var asked := _call(make)
	if asked.error != null:
		return _failed(asked.error)
	_chunk = asked.value
	if _streams.has(_name):
		(_streams[_name] as Stream).begin(_chunk)
	return {
		"ok": "chunk",
		"index": _chunk.index,
		"epoch": _chunk.epoch,
		"first_frame": _chunk.first_frame,
		"frames": _chunk.frames,
		"height": _chunk.height,
		"width": _chunk.width,
		"encoding": _chunk.encoding,
		"sha256": _chunk.sha256(),
		"prompt": _chunk.prompt,
		"buttons": _chunk.action.buttons,
		"axes": _chunk.action.axes,
	}


static func _action(arguments: Dictionary) -> HeliosAction:
	var axes := {}
	for key: String in arguments:
		if key.begins_with("axis."):
			axes[key.trim_prefix("axis.")] = float(arguments[key])
	return HeliosAction.of(str(arguments.get("buttons", "")).split(",", false), axes)


static func _sha256(data: PackedByteArray) -> String:
	var context := HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	context.update(data)
	return context.finish().hex_encode()


static func _failed(error: HeliosError) -> Dictionary:
	return {"error": error.code, "message": error.message, "retryable": error.retryable}


static func _usage(message: String) -> Dictionary:
	return {"error": "usage", "message": message, "retryable": false}
