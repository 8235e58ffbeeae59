extends RefCounted
## From Godot's InputMap and mouse to the controls of a world.
##
## A button follows the InputMap's action of its name, or with "helios_" before it. An axis follows the pair
## "NAME_negative", "NAME_positive", also with the prefix. A dictionary may name other actions.

const _PREFIX := "helios_"

var _spec: HeliosSpec
## Button to InputMap action, and axis to [negative, positive], where "" stands for none.
var _buttons := {}
var _axes := {}
## What this map holds, and the last strength of each axis. What the game itself holds is its own.
var _held := {}
var _strengths := {}
var _mouse := Vector2.ZERO


## actions: name of a control to an action's name; for an axis also to [negative, positive].
func _init(spec: HeliosSpec, actions: Dictionary) -> void:
	_spec = spec
	for button: String in spec.button_names():
		var named := _action(str(actions.get(button, "")), button)
		if named:
			_buttons[button] = named
	for axis: String in spec.axis_names():
		var pair := _pair(actions.get(axis), axis)
		if pair != ["", ""]:
			_axes[axis] = pair


## Button to InputMap action: those that were found.
func buttons() -> Dictionary:
	return _buttons


## Axis to [negative, positive]: those that were found.
func axes() -> Dictionary:
	return _axes


## The mouse has moved, in pixels.
func add_mouse(relative: Vector2) -> void:
	_mouse += relative


## Tell the inputs what has changed here. delta: seconds since the last time.
func sample(inputs: HeliosInputs, delta: float) -> void:
	for button: String in _buttons:
		_sample_button(inputs, button, _buttons[button] as StringName)
	for axis: String in _axes:
		var value := strength(axis, _strength_of(_axes[axis][0]), _strength_of(_axes[axis][1]))
		if _spec.axis(axis).combine == "sum":
			# What comes together within a chunk is the strength.
			inputs.move(axis, value * delta * _spec.fps / _spec.frames_per_chunk)
		elif value != _strengths.get(axis, 0.0):
			_strengths[axis] = value
			inputs.move(axis, value)


func _sample_button(inputs: HeliosInputs, button: String, named: StringName) -> void:
	var is_pressed := Input.is_action_pressed(named)
	if (is_pressed or Input.is_action_just_pressed(named)) and not _held.has(button):
		_held[button] = true
		inputs.press(button)
	if not is_pressed and _held.erase(button):
		inputs.release(button)


## Let go of what this map holds. What is still pressed then is pressed anew by the next sample.
func let_go(inputs: HeliosInputs) -> void:
	for button: String in _held:
		inputs.release(button)
	for axis: String in _strengths:
		inputs.move(axis, 0.0)
	_held.clear()
	_strengths.clear()
	_mouse = Vector2.ZERO


## Give the axes what the mouse has moved since the last time; the next chunk has it.
func sample_mouse(inputs: HeliosInputs, axis_x: String, axis_y: String, per_pixel: float) -> void:
	for pair: Array in [[axis_x, _mouse.x], [axis_y, _mouse.y]]:
		if pair[1] != 0.0 and not pair[0].is_empty():
			inputs.nudge(pair[0], pair[1] * per_pixel)
	_mouse = Vector2.ZERO


## The axis's value for two strengths from 0 to 1.
func strength(axis: String, negative: float, positive: float) -> float:
	var control := _spec.axis(axis)
	return control.clip(positive * control.high + negative * control.low)


## What is held now as an action, for lockstep.
func action() -> HeliosAction:
	var held := HeliosAction.new()
	for button: String in _buttons:
		if Input.is_action_pressed(_buttons[button] as StringName):
			held.buttons.append(button)
	for axis: String in _axes:
		var value := strength(axis, _strength_of(_axes[axis][0]), _strength_of(_axes[axis][1]))
		if value != 0.0:
			held.axes[axis] = value
	return held


static func _pair(given: Variant, axis: String) -> Array:
	if given is Array and given.size() == 2:
		return [_action(str(given[0]), ""), _action(str(given[1]), "")]
	if given != null:
		return ["", _action(str(given), "")]
	return [_action("", axis + "_negative"), _action("", axis + "_positive")]


## The action that was named, or else the one of that name; "" if there is none.
static func _action(named: String, otherwise: String) -> String:
	if named:
		if not InputMap.has_action(named):
			push_warning("Helios: the InputMap has no action %s; add it under Project, Input Map" % named)
			return ""
		return named
	for candidate: String in [otherwise, _PREFIX + otherwise]:
		if otherwise and InputMap.has_action(candidate):
			return candidate
	return ""


static func _strength_of(named: String) -> float:
	return Input.get_action_strength(named) if named else 0.0
