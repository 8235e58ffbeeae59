extends RefCounted
## What the client's thread and the main thread leave for each other. Both sides; never waits for long.

## When so much waits for the main thread, what may be lost is.
const _MOST_NEWS := 1024

var _mutex := Mutex.new()
var _commands: Array[Callable] = []
var _news: Array[Array] = []
var _figures := {"bytes_received": 0, "messages": 0, "dropped_messages": 0}
var _idle_at := -INF
## Calls under way; the main thread's alone.
var _calls := {}


## On the main thread: a call begins.
func begin_call(asked: HeliosCall, work: Callable) -> void:
	_calls[asked.get_instance_id()] = asked
	command(work)


## On the main thread: a call is over.
func end_call(asked: HeliosCall) -> void:
	_calls.erase(asked.get_instance_id())


## On the main thread: the client is closed, and so are its calls.
func end_calls() -> void:
	var calls := _calls.values()
	_calls.clear()
	for asked: HeliosCall in calls:
		asked.abandon()


## For the client's thread.
func command(work: Callable) -> void:
	_mutex.lock()
	_commands.append(work)
	_mutex.unlock()


func take_commands() -> Array[Callable]:
	_mutex.lock()
	var taken := _commands
	_commands = []
	_mutex.unlock()
	return taken


## For the main thread: call that method of what the key stands for (a session's core; 0 for the client).
## may_be_lost: it is no great harm if a game that looks seldom never sees it; a server may send no end of such.
func tell(key: int, method: StringName, arguments: Array = [], may_be_lost: bool = false) -> void:
	_mutex.lock()
	if not may_be_lost or _news.size() < _MOST_NEWS:
		_news.append([key, method, arguments])
	_mutex.unlock()


## For the main thread: that call is over.
func answer(asked: HeliosCall, value: Variant, error: HeliosError) -> void:
	_mutex.lock()
	_news.append([asked, value, error])
	_mutex.unlock()


func take_news() -> Array[Array]:
	_mutex.lock()
	var taken := _news
	_news = []
	_mutex.unlock()
	return taken


## What the thread knows of the connection. idle_at: when the server said last that it computes nothing.
func report(received: int, messages: int, dropped: int, idle: float) -> void:
	_mutex.lock()
	_figures = {"bytes_received": received, "messages": messages, "dropped_messages": dropped}
	_idle_at = idle
	_mutex.unlock()


func figures() -> Dictionary:
	_mutex.lock()
	var found := _figures
	_mutex.unlock()
	return found


func idle_at() -> float:
	_mutex.lock()
	var found := _idle_at
	_mutex.unlock()
	return found
