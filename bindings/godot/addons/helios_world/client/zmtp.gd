extends RefCounted
## One connection to a ROUTER: a non-blocking TCP stream that speaks ZMTP. poll() is called by one thread, often.

const Parser := preload("zmtp_parser.gd")
## At most so many bytes are read by one poll() before what came is looked at, and handed to the system at once.
const _READ_AT_ONCE := 8 << 20
const _WRITE_AT_ONCE := 256 << 10

## The handshake is over: messages may be sent.
var is_ready := false
## Why the connection has ended; empty while it lives.
var fault := ""
## "connection" or "too_large".
var fault_code := "connection"
## Bytes that have come.
var received := 0
## Bytes that the system has taken.
var sent := 0

var _tcp := StreamPeerTCP.new()
var _parser := Parser.new()
var _host: String
var _port: int
var _address := ""
## The look-up of the name that is under way, and of which kind.
var _lookup := IP.RESOLVER_INVALID_ID
var _lookup_type := IP.TYPE_IPV4
var _deadline: float
var _is_connected := false
var _outgoing: Array[PackedByteArray] = []
var _sent := 0
## Whether the last piece to go out is this object's own, so that more may be put behind it.
var _is_last_own := false


## Begin to connect.
## handshake_s: seconds until the peer must have answered as ZMTP wants it.
func _init(host: String, port: int, now: float, handshake_s: float) -> void:
	_host = host
	_port = port
	_address = "%s:%d" % [host, port]
	_deadline = now + handshake_s
	if host.is_valid_ip_address():
		_connect(host)
		return
	# A server binds IPv4 unless it is told otherwise, and "localhost" often is ::1 first. Its address may have changed.
	IP.clear_cache(host)
	_look_up(IP.TYPE_IPV4)


## "tcp://host:port" or "host:port" to [host, port]; [] for anything else.
static func split_address(address: String) -> Array:
	var rest := address.trim_prefix("tcp://")
	var colon := rest.rfind(":")
	var port := rest.substr(colon + 1)
	if colon < 1 or not port.is_valid_int() or rest.contains("/"):
		return []
	if port.to_int() < 1 or port.to_int() > 65535:
		return []
	return [rest.left(colon).trim_prefix("[").trim_suffix("]"), port.to_int()]


## Move what can be moved without waiting; the messages that have come, each an Array[PackedByteArray].
func poll(now: float) -> Array[Array]:
	var came: Array[Array] = []
	if _lookup != IP.RESOLVER_INVALID_ID:
		_await_name()
	elif fault.is_empty():
		_move()
	if fault.is_empty() and not is_ready and now > _deadline:
		_break("%s does not answer as ZMTP does" % _address if _is_connected else "no answer from %s" % _address)
	came = _parser.messages
	_parser.messages = []
	return came


func _move() -> void:
	_tcp.poll()
	match _tcp.get_status():
		StreamPeerTCP.STATUS_CONNECTED:
			_begin()
			_write()
			_read()
		StreamPeerTCP.STATUS_CONNECTING:
			pass
		_:
			_break("the server has closed the connection" if _is_connected else "nobody listens at %s" % _address)


## Send a message; the parts are not copied.
func send(parts: Array[PackedByteArray]) -> void:
	for number: int in parts.size():
		var flags := Parser.part_flags(number == parts.size() - 1)
		var head := Parser.frame_head(parts[number].size(), flags)
		if parts[number].size() < 1024:
			head.append_array(parts[number])
			_queue(head)
		else:
			_queue(head)
			_outgoing.append(parts[number])
			_is_last_own = false
	_write()


## Whether part of a message is on its way in.
func is_receiving() -> bool:
	return _parser.is_inside_frame()


## Whether everything has been handed to the system.
func is_flushed() -> bool:
	return _outgoing.is_empty()


## Messages that had too many parts.
func dropped() -> int:
	return _parser.dropped


func close() -> void:
	_end_lookup()
	_tcp.disconnect_from_host()
	fault = "closed" if fault.is_empty() else fault
	_outgoing.clear()


func _connect(ip: String) -> void:
	if _tcp.connect_to_host(ip, _port) != OK:
		_break("no connection to %s" % _address)


## Names are looked up in the background: that may take long, and the end of a client waits for this thread.
func _look_up(type: IP.Type) -> void:
	_lookup_type = type
	_lookup = IP.resolve_hostname_queue_item(_host, type)
	if _lookup == IP.RESOLVER_INVALID_ID:
		_break("the name %s cannot be looked up now" % _host)


func _await_name() -> void:
	var status := IP.get_resolve_item_status(_lookup)
	if status == IP.RESOLVER_STATUS_WAITING:
		return
	var ip := IP.get_resolve_item_address(_lookup) if status == IP.RESOLVER_STATUS_DONE else ""
	_end_lookup()
	if ip:
		_connect(ip)
	elif _lookup_type == IP.TYPE_IPV4:
		_look_up(IP.TYPE_ANY)
	else:
		_break("the name %s is not known" % _host)


func _end_lookup() -> void:
	if _lookup != IP.RESOLVER_INVALID_ID:
		IP.erase_resolve_item(_lookup)
		_lookup = IP.RESOLVER_INVALID_ID


func _begin() -> void:
	if _is_connected:
		return
	_is_connected = true
	_tcp.set_no_delay(true)
	var hello := Parser.greeting()
	hello.append_array(Parser.ready())
	_outgoing.push_front(hello)


func _queue(bytes: PackedByteArray) -> void:
	# Small pieces travel together: one call to the system for a whole message.
	var is_open := _outgoing.size() > 1 or _outgoing.size() == 1 and _sent == 0
	if is_open and _is_last_own and _outgoing[-1].size() < 4096:
		_outgoing[-1].append_array(bytes)
	else:
		_outgoing.append(bytes)
		_is_last_own = true


func _write() -> void:
	if _parser.replies.size() > 0:
		_queue(_parser.replies)
		_parser.replies = PackedByteArray()
	while _is_connected and not _outgoing.is_empty():
		var whole := _outgoing[0]
		var piece := whole.slice(_sent, _sent + _WRITE_AT_ONCE) if _sent > 0 or whole.size() > _WRITE_AT_ONCE else whole
		var result := _tcp.put_partial_data(piece)
		if result[0] != OK:
			_break("the server has closed the connection")
			return
		_sent += result[1]
		sent += result[1]
		if _sent == whole.size():
			_outgoing.pop_front()
			_sent = 0
		elif result[1] < piece.size():
			return


func _read() -> void:
	var most := received + _READ_AT_ONCE
	while not _parser.parse() and received < most and fault.is_empty():
		var available := _tcp.get_available_bytes()
		if available <= 0:
			break
		var result := _tcp.get_partial_data(available)
		if result[0] != OK:
			_break("the server has closed the connection")
			break
		var data: PackedByteArray = result[1]
		received += data.size()
		_parser.feed(data)
	is_ready = _parser.is_ready
	if _parser.fault:
		_break(_parser.fault, _parser.fault_code)


func _break(why: String, code: String = "connection") -> void:
	if fault.is_empty():
		fault = why
		fault_code = code
		is_ready = false
		_tcp.disconnect_from_host()
