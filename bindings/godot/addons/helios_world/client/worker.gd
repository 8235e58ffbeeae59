extends RefCounted
## The client's thread: moves bytes, hands messages to sessions, and sleeps when there is nothing to do.

const Core := preload("core.gd")
const Line := preload("line.gd")
const Mailbox := preload("mailbox.gd")
const Messages := preload("messages.gd")
const Times := preload("times.gd")

## Microseconds between two looks: right after something happened, while something is expected, and otherwise.
const _SLEEP_SOON := 200
const _SLEEP_BUSY := 1000
const _SLEEP_IDLE := 5000
const _SOON_S := 0.003
const _BUSY_S := 0.5

var _line: Line
var _box: Mailbox
var _times: Times
var _cores: Array[Core] = []
var _connecting: HeliosCall
var _was_up := false
var _leave_by := INF
var _moved_at := -INF
var _reported := -1


func _init(line: Line, box: Mailbox, times: Times) -> void:
	_line = line
	_box = box
	_times = times


## Until leave() was called and all is said.
func run() -> void:
	while not _is_over():
		var now := Times.now()
		var commands := _box.take_commands()
		for command: Callable in commands:
			command.call()
		var received := _line.received
		for message: Messages.Message in _line.poll(now):
			_route(message, now)
		_watch(now)
		for core: Core in _cores.duplicate():
			core.tick(now)
			if core.child != null:
				_cores.append(core.child)
				core.child = null
			if core.over != null:
				_cores.erase(core)
		_report()
		if not commands.is_empty() or _line.received > received:
			_moved_at = now
		if _line.received == received:
			OS.delay_usec(_pause(now))
	_line.close()


## The call ends when a server has said WELCOME.
func connect_first(asked: HeliosCall) -> void:
	_connecting = asked


func begin(core: Core, asked: HeliosCall) -> void:
	_cores.append(core)
	core.open(asked)


## Close all sessions, and stop; not later than the farewell's time.
func leave() -> void:
	_leave_by = Times.now() + _times.farewell
	for core: Core in _cores:
		core.leave(_times.farewell)


func _is_over() -> bool:
	if _leave_by == INF:
		return false
	return _cores.is_empty() and _line.is_flushed() or Times.now() > _leave_by or not _line.is_up


func _route(message: Messages.Message, now: float) -> void:
	var parent := (message as Messages.Opened).parent if message is Messages.Opened else ""
	var owner := parent if parent else message.sid
	for core: Core in _cores:
		if (
			core.awaits(message)
			or owner == core.sid and not owner.is_empty()
			or message is Messages.Bye and owner == ""
		):
			core.take(message, now)
	if message is Messages.Bye and message.sid.is_empty():
		var bye := message as Messages.Bye
		_line.drop(HeliosError.of("connection", "the server says goodbye: %s" % bye.reason), now)


## Tell when a connection comes and goes.
func _watch(now: float) -> void:
	if _line.is_up and not _was_up:
		_box.tell(0, "_connect", [_line.welcome])
	elif _was_up and not _line.is_up:
		for core: Core in _cores:
			core.detach(_line.trouble.message, now)
		_box.tell(0, "_disconnect", [_line.trouble.message])
	_was_up = _line.is_up
	if _line.refusal != null:
		for core: Core in _cores:
			core.end(_line.refusal)
	_conclude_connecting(now)


func _conclude_connecting(now: float) -> void:
	if _connecting == null:
		return
	var is_late := now >= _connecting.deadline or _line.refusal != null
	if not _line.is_up and not is_late:
		return
	var world: HeliosSpec = _line.welcome.world if _line.is_up else null
	_box.answer(_connecting, world, null if _line.is_up else _line.lost())
	_connecting = null


func _report() -> void:
	var sum := _line.received + _line.dropped
	if sum != _reported:
		_reported = sum
		_box.report(_line.received, _line.messages, _line.dropped, _line.idle_at)


func _pause(now: float) -> int:
	if now - _moved_at < _SOON_S:
		return _SLEEP_SOON
	var is_busy := now - _moved_at < _BUSY_S or _cores.any(func(core: Core) -> bool: return core.is_busy())
	return _SLEEP_BUSY if is_busy else _SLEEP_IDLE
