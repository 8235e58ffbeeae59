@icon("icons/helios_world.svg")
class_name HeliosClient
extends RefCounted
## A connection to a server of worlds, on a thread of its own. [HeliosWorld] has one; a program without a scene can use
## it alone.
##
## [codeblock]
## var client := HeliosClient.new()
## var called := client.connect_to("tcp://127.0.0.1:5555")
## while not called.is_done:
##     client.poll()
## [/codeblock]
## [method poll] belongs to the main thread: answers, chunks and signals come out of it.

## A server has said welcome, at first or again.
signal connected(server: String)
## The connection has ended; another one is tried until [method close].
signal disconnected(reason: String)

const _Core := preload("client/core.gd")
const _Line := preload("client/line.gd")
const _Mailbox := preload("client/mailbox.gd")
const _Messages := preload("client/messages.gd")
const _Times := preload("client/times.gd")
const _Worker := preload("client/worker.gd")
const _Zmtp := preload("client/zmtp.gd")

const _DEFAULTS := {
	"world": null,
	"mode": "lockstep",
	"encoding": "rgb24",
	"quality": 90,
	"progressive": false,
	"record": false,
}

## Change them before [method connect_to].
var times := _Times.new()
## The server's name and version; empty before the first connection.
var server := ""
## That it offers.
var worlds := PackedStringArray()
## Of the protocol; 0 before the first connection.
var version := 0
## What the server can besides: "jpeg", "stream", "progressive", "fork", "record" …
var capabilities := PackedStringArray()
## How many times there was a connection.
var connections := 0
## "closed", "connecting" or "connected".
var state := "closed"

var _thread: Thread
var _worker: _Worker
var _line: _Line
var _box := _Mailbox.new()
var _sessions := {}
var _room := 0
var _users := 0


## Connect, and stay connected until [method close]. Gives the server's default world.
## address: "tcp://host:port" or "host:port".
func connect_to(address: String, timeout: float = 30.0) -> HeliosCall:
	var place := _Zmtp.split_address(address)
	if place.is_empty():
		return HeliosCall.failed("usage", 'the address is "%s"; write tcp://127.0.0.1:5555' % address)
	if _thread != null:
		return HeliosCall.failed("usage", "this client is in use; close it first, or make another one")
	times.timeout = timeout
	_line = _Line.new(place[0], place[1], times)
	_box = _Mailbox.new()
	_worker = _Worker.new(_line, _box, times)
	state = "connecting"
	var asked := HeliosCall.of("HELLO", timeout)
	_box.begin_call(asked, _worker.connect_first.bind(asked))
	_thread = Thread.new()
	_thread.start(_worker.run)
	return asked


## Open a session; gives a [HeliosSession].
## options: "world" (empty: the server's default), "mode" ("lockstep" or "stream"), "encoding" ("rgb24" or "jpeg"),
## "quality" (1 to 100), "progressive", "record".
func open(options: Dictionary = {}) -> HeliosCall:
	if _thread == null:
		return HeliosCall.failed("usage", "there is no connection; call connect_to() first")
	var keys := _DEFAULTS.merged(options, true)
	if str(keys["world"]).is_empty():
		keys["world"] = null
	var fault := option_fault(options)
	if fault:
		return HeliosCall.failed("usage", fault)
	var core := _Core.new(_line, _box, times, keys)
	var asked := HeliosCall.of("OPEN", times.timeout)
	_box.begin_call(asked, _worker.begin.bind(core, asked))
	return asked


## Deliver what has come since the last time: finished calls and signals.
func poll() -> void:
	for news: Array in _box.take_news():
		if _thread == null:
			return  # whoever heard of something has closed the client
		if news[0] is HeliosCall:
			_deliver(news[0], news[1], news[2])
		elif news[0] == 0:
			callv(news[1], news[2])
		elif _sessions.has(news[0]):
			var session: HeliosSession = _sessions[news[0]]
			if news[1] == &"_end":
				_sessions.erase(news[0])
			session.callv(news[1], news[2])


## End all sessions and the thread. Waits for the server for half a second at most. Calls under way end with an error.
func close() -> void:
	if _thread == null:
		return
	_box.command(_worker.leave)
	_thread.wait_to_finish()
	_thread = null
	_worker = null
	_line = null
	_box.take_news()
	state = "closed"
	_box.end_calls()
	_end_sessions()


## For nodes that share this client: each calls share() once and leave() once; the last one closes it.
func share() -> void:
	_users += 1


func leave() -> void:
	_users -= 1
	if _users <= 0:
		close()


## "bytes_received", "dropped_messages" (that could not be read), over all connections.
func figures() -> Dictionary:
	return _box.figures()


## Why these options of [method open] cannot be; "" if they can.
static func option_fault(options: Dictionary) -> String:
	var keys := _DEFAULTS.merged(options, true)
	if not keys["mode"] in ["lockstep", "stream"]:
		return 'the mode is "%s"; it is "lockstep" or "stream"' % keys["mode"]
	if keys["encoding"] == "h264":
		return 'Godot cannot decode h264; choose the encoding "jpeg" or "rgb24"'
	if not keys["encoding"] in ["rgb24", "jpeg"]:
		return 'the encoding is "%s"; it is "rgb24" or "jpeg"' % keys["encoding"]
	if keys["quality"] < 1 or keys["quality"] > 100:
		return "the quality is %s; it is 1 to 100" % keys["quality"]
	return ""


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE and _thread != null:
		_box.command(_worker.leave)
		_thread.wait_to_finish()
		_box.end_calls()
		_end_sessions()


func _end_sessions() -> void:
	var sessions := _sessions.values()
	_sessions.clear()
	for session: HeliosSession in sessions:
		session.call(&"_end", HeliosError.of("usage", "the client is closed; open another session"))


func _deliver(asked: HeliosCall, value: Variant, error: HeliosError) -> void:
	_box.end_call(asked)
	if value is _Core:
		asked.finish(_session_of(value as _Core), error)
	else:
		asked.finish(value, error)


func _session_of(core: _Core) -> HeliosSession:
	var key := core.get_instance_id()
	var session := HeliosSession.new(core, _box, core.mode(), _room, times.timeout)
	_sessions[key] = session
	return session


func _connect(welcome: _Messages.Welcome) -> void:
	server = welcome.server
	worlds = welcome.worlds
	version = welcome.version
	capabilities = welcome.capabilities
	_room = welcome.max_message
	connections += 1
	state = "connected"
	connected.emit(server)


func _disconnect(reason: String) -> void:
	state = "connecting"
	disconnected.emit(reason)
