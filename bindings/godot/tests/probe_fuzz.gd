extends RefCounted
## Talks to a hostile server again and again, with little patience; whatever comes is counted.

const Commands := preload("probe_commands.gd")
const Times := preload("res://addons/helios_world/client/times.gd")

const _PATIENCE_S := 1.0
const _STEPS := 20

var _client: HeliosClient
var _connections := 0
var _messages := 0
var _dropped := 0
var _errors := 0
var _chunks := 0


static func run(address: String, seconds: float, messages: int) -> Dictionary:
	var fuzz := new()
	var until := Times.now() + seconds
	while Times.now() < until and fuzz._messages < messages:
		fuzz._try(address)
	return {
		"ok": "fuzz",
		"connections": fuzz._connections,
		"messages": fuzz._messages,
		"dropped": fuzz._dropped,
		"errors": fuzz._errors,
		"chunks": fuzz._chunks,
	}


func _try(address: String) -> void:
	_client = HeliosClient.new()
	_client.times.handshake = _PATIENCE_S
	_client.times.repeat = _PATIENCE_S / 2
	_client.times.backoff_least = 0.01
	_client.times.farewell = 0.02
	_connections += 1
	if _is_fine(_client.connect_to(address, _PATIENCE_S)):
		_play()
	var figures := _client.figures()
	_messages += figures["messages"]
	_dropped += figures["dropped_messages"]
	_client.close()
	_client = null


func _play() -> void:
	var opened := _client.open({"encoding": "jpeg" if _connections % 2 == 0 else "rgb24"})
	if not _is_fine(opened):
		return
	var session: HeliosSession = opened.value
	if not _is_fine(session.reset(7)):
		return
	for _number: int in _STEPS:
		if not _is_fine(session.step()):
			return


func _is_fine(asked: HeliosCall) -> bool:
	Commands.settle(_client, asked)
	_errors += int(asked.error != null)
	_chunks += int(asked.error == null and asked.value is HeliosChunk)
	return asked.error == null
