@icon("icons/helios_world.svg")
class_name HeliosInputs
extends RefCounted
## Stream mode: what is held now. Changes go to the server at once, and the next chunk that begins has them.

const _Times := preload("client/times.gd")
const _MOST_UNSEEN := 1024

var _spec: HeliosSpec
var _names: PackedStringArray
var _held := {}
var _pressed := {}
var _values := {}
var _amounts := {}
## Each [the INPUT that has it first, axis, amount], until a chunk has had it.
var _nudges: Array[Array] = []
var _prompt := ""
var _changed_at := INF
var _is_news := false
var _n := 0
## Of INPUTs that no chunk has had: number to [when it changed, what was pressed, the prompt].
var _unseen := {}


## The controls of that world; unknown ones are refused with an error on the console.
func _init(spec: HeliosSpec) -> void:
	_spec = spec
	_names = spec.button_names()


## Hold a button from now on.
func press(button: String) -> void:
	if _knows_button(button) and not _held.has(button):
		_held[button] = true
		_pressed[button] = true
		_change()


## Let go of it.
func release(button: String) -> void:
	if _knows_button(button) and _held.erase(button):
		_change()


## Set an axis that combines by "latest"; add to one that combines by "sum". Clipped to its range.
func move(axis_name: String, value: float) -> void:
	var axis := _spec.axis(axis_name)
	if axis == null or not is_finite(value):
		push_error("Helios: no axis %s can be %s; this world has %s" % [axis_name, value, _spec.axis_names()])
	elif axis.combine == "sum":
		nudge(axis_name, value)
	elif axis.clip(value) != _values.get(axis_name, 0.0):
		_values[axis_name] = axis.clip(value)
		_change()


## Add to one chunk's value of an axis, however it combines; for a mouse, say.
func nudge(axis_name: String, amount: float) -> void:
	var axis := _spec.axis(axis_name)
	if axis == null or not is_finite(amount):
		push_error("Helios: no axis %s can be %s; this world has %s" % [axis_name, amount, _spec.axis_names()])
	elif amount != 0.0:
		if axis.combine == "sum":
			_amounts[axis_name] = _amounts.get(axis_name, 0.0) + amount
		else:
			_add_nudge(axis_name, amount)
		_change()


## Give the next chunk a prompt; of several the last one counts.
func say(prompt: String) -> void:
	var fault := HeliosSession.text_fault(prompt)
	if fault or prompt.is_empty():
		push_error("Helios: %s" % (fault if fault else "an empty prompt says nothing"))
		return
	_prompt = prompt
	_change()


## Let go of everything.
func release_all() -> void:
	if not _held.is_empty() or _values.values().any(func(value: float) -> bool: return value != 0.0):
		_held.clear()
		_values.clear()
		_change()


## Whether a button is held.
func is_held(button: String) -> bool:
	return _held.has(button)


## The keys of the INPUT that tells of all changes since the last one; {} if there are none.
func take() -> Dictionary:
	if not _is_news:
		return {}
	_n += 1
	var message := {
		"n": _n,
		"buttons": _held.keys(),
		"pressed": _pressed.keys(),
		"axes": _sent_axes(),
		"prompt": null if _prompt.is_empty() else _prompt,
		"client_time": null,
	}
	if _changed_at < INF:
		if _unseen.size() >= _MOST_UNSEEN:
			_unseen.erase(_unseen.keys()[0])
		_unseen[_n] = [_changed_at, _pressed.keys(), _prompt]
	_forget_what_counts_once()
	_is_news = false
	return message


## A chunk has had INPUT `n` and all before: when the oldest change in them was made; INF if none was new.
func seen(n: int) -> float:
	var oldest := INF
	for number: int in _unseen.keys():
		if number <= n:
			oldest = minf(oldest, _unseen[number][0])
			_unseen.erase(number)
	var left := _nudges.filter(func(one: Array) -> bool: return one[0] > n)
	_is_news = _is_news or left.size() < _nudges.size()
	_nudges = left
	return oldest


## Of the newest INPUT.
func last_number() -> int:
	return _n


## When INPUTs may be lost: tell all again that no chunk has had. Amounts are not, for they might count twice.
func repeat() -> void:
	var newest := _prompt
	for number: int in _unseen:
		for button: String in _unseen[number][1]:
			_pressed[button] = true
		if newest.is_empty() and not _unseen[number][2].is_empty():
			_prompt = _unseen[number][2]
		_changed_at = minf(_changed_at, _unseen[number][0])
	_unseen.clear()
	_is_news = _n > 0 or _is_news


## A new epoch begins: what is held stays so, and what no chunk has had is over.
func renew() -> void:
	_forget_what_counts_once()
	_nudges.clear()
	_unseen.clear()
	_is_news = not _held.is_empty() or not _values.is_empty()


## Those of one INPUT become one.
func _add_nudge(axis_name: String, amount: float) -> void:
	for one: Array in _nudges:
		if one[0] == _n + 1 and one[1] == axis_name:
			one[2] += amount
			return
	_nudges.append([_n + 1, axis_name, amount])


func _sent_axes() -> Dictionary:
	var values := _values.duplicate()
	for one: Array in _nudges:
		values[one[1]] = values.get(one[1], 0.0) + one[2]
	var sent := _amounts.duplicate()
	for axis_name: String in values:
		var value := _spec.axis(axis_name).clip(values[axis_name] as float)
		if value != 0.0:
			sent[axis_name] = value
	return sent


func _change() -> void:
	_is_news = true
	_changed_at = minf(_changed_at, _Times.now())


func _forget_what_counts_once() -> void:
	_pressed.clear()
	_amounts.clear()
	_prompt = ""
	_changed_at = INF


func _knows_button(button: String) -> bool:
	if not button in _names:
		push_error("Helios: no button %s; this world has %s" % [button, _names])
		return false
	return true
