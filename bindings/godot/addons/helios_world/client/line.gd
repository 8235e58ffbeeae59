extends RefCounted
## One connection after the other to the same server: HELLO, heartbeats, and noticing that it is dead. Lives on the
## client's thread.

const Messages := preload("messages.gd")
const Times := preload("times.gd")
const Zmtp := preload("zmtp.gd")

const CLIENT_NAME := "helios-godot/1.0"
## Before WELCOME says otherwise.
const _HEARTBEAT := 15.0
## Heartbeats, or times that a request could have been repeated, of silence: then a connection is taken for dead.
const _DEAD := 3
## Numbers of messages outside of any session begin here, far from those that count a session's requests.
const _FIRST_NUMBER := 1 << 32

## Null until the first WELCOME; that of the present or last connection.
var welcome: Messages.Welcome
## HELLO was answered.
var is_up := false
## Why there is no connection, with a code.
var trouble := HeliosError.of("connection", "nobody answers")
## The server will never have us; null while it may.
var refusal: HeliosError
## When something came last.
var heard_at := -INF
## When the server said last that it computes nothing.
var idle_at := -INF
## Over all connections.
var received := 0
var messages := 0
var dropped := 0

var _times: Times
var _host: String
var _port: int
var _zmtp: Zmtp
var _number := _FIRST_NUMBER
var _hello := 0
var _hello_by := 0.0
var _try_at := -INF
var _pause: float
var _sent_at := 0.0
var _pinged_at := 0.0
var _waiting_since := INF


func _init(host: String, port: int, times: Times) -> void:
	_host = host
	_port = port
	_times = times
	_pause = times.backoff_least


## For a message outside of any session.
func number() -> int:
	_number += 1
	return _number


## Move what can be moved; the session messages that came.
func poll(now: float) -> Array[Messages.Message]:
	var came: Array[Messages.Message] = []
	if _zmtp == null:
		if refusal == null and now >= _try_at:
			_begin(now)
		return came
	var before := _zmtp.received
	var had_backlog := not _zmtp.is_flushed()
	var sent := _zmtp.sent
	var came_in := _zmtp.poll(now)
	if had_backlog and _zmtp.sent > sent and _waiting_since < INF:
		_waiting_since = now  # a peer that still takes what is long on its way is alive
	if _zmtp.received > before:
		_heard(now, _zmtp.received - before)
	for parts: Array[PackedByteArray] in came_in:
		_read(parts, now, came)
		if _zmtp == null:  # a greeting that is refused ends the connection
			return came
	if _zmtp.fault:
		drop(HeliosError.of(_zmtp.fault_code, _zmtp.fault), now)
	elif is_up:
		_keep_alive(now)
	else:
		_greet(now)
	return came


## Lost when the connection has just ended; whoever is concerned is told of that.
func send(header: Dictionary, buffers: Array[PackedByteArray], now: float) -> void:
	if _zmtp == null:
		return
	_zmtp.send(Messages.pack(header, buffers))
	_sent_at = now
	_waiting_since = minf(_waiting_since, now)


## What a call that found no connection in time says.
func lost() -> HeliosError:
	if refusal != null:
		return refusal
	var told := "no connection to %s:%d in time (%s); is the server running? Start one with: helios-world serve nano"
	return HeliosError.of(trouble.code, told % [_host, _port, trouble.message], true)


## Whether part of a message is on its way in.
func is_receiving() -> bool:
	return _zmtp != null and _zmtp.is_receiving()


func is_flushed() -> bool:
	return _zmtp == null or _zmtp.is_flushed()


## Give the connection up, and begin another one after a pause.
func drop(why: HeliosError, now: float) -> void:
	trouble = why
	_end()
	_try_at = now + _pause
	_pause = minf(2 * _pause, _times.backoff_most)


func close() -> void:
	_end()
	_try_at = INF


func _begin(now: float) -> void:
	_zmtp = Zmtp.new(_host, _port, now, _times.handshake)
	_hello = 0
	_waiting_since = INF
	_hello_by = now + _times.handshake


func _end() -> void:
	is_up = false
	if _zmtp != null:
		dropped += _zmtp.dropped()
		_zmtp.close()
		_zmtp = null


func _greet(now: float) -> void:
	if _zmtp.is_ready and _hello == 0:
		_hello = number()
		send({"t": "HELLO", "seq": _hello, "versions": [Messages.VERSION], "client": CLIENT_NAME}, [], now)
	elif now > _hello_by:
		drop(HeliosError.of("connection", "nobody answers the greeting"), now)


func _read(parts: Array[PackedByteArray], now: float, came: Array[Messages.Message]) -> void:
	var message := Messages.read(parts)
	messages += 1
	if message == null:
		dropped += 1
	elif message is Messages.Pong:
		_take_pong(message as Messages.Pong, now)
	elif is_up:
		if not message is Messages.Welcome:
			came.append(message)
	elif message is Messages.Welcome:
		_take_welcome(message as Messages.Welcome)
	elif message is Messages.Failure and message.seq in [_hello, 0]:
		_take_refusal(message as Messages.Failure, now)


func _take_welcome(message: Messages.Welcome) -> void:
	if message.seq != _hello:
		return
	if message.version != Messages.VERSION:
		var told := "the server wants version %d of the protocol; this client speaks %d"
		_refuse(HeliosError.of("version", told % [message.version, Messages.VERSION]))
		return
	welcome = message
	is_up = true
	_pause = _times.backoff_least


func _take_refusal(message: Messages.Failure, now: float) -> void:
	if message.error.retryable:
		drop(message.error, now)
	else:
		_refuse(message.error)


func _refuse(error: HeliosError) -> void:
	refusal = error
	trouble = error
	close()


func _take_pong(pong: Messages.Pong, now: float) -> void:
	if pong.busy_since < 0.0 and pong.queue == 0:
		idle_at = now


func _heard(now: float, count: int) -> void:
	received += count
	heard_at = now
	_waiting_since = INF


func _keep_alive(now: float) -> void:
	var heartbeat := welcome.heartbeat_s
	var patience := minf(heartbeat, _times.repeat)
	var silence := now - _waiting_since
	if silence > _DEAD * patience:
		drop(HeliosError.of("connection", "nothing came from the server for %.0f s" % silence), now)
		return
	# After a while without a sign of life, and whenever the server would miss one of ours.
	var quiet := maxf(heard_at, _pinged_at) + minf(heartbeat / 3, _times.repeat / 2)
	if now >= minf(quiet, _sent_at + heartbeat):
		_pinged_at = now
		send({"t": "PING", "n": number(), "client_time": null}, [], now)
