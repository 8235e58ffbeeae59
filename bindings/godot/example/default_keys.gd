## Gives the actions of a world their keys, for a project whose Input Map does not have them yet.
##
## HeliosWorld steers by the actions of the Input Map that are called like the world's buttons. A game usually defines
## them in the project settings; here it is done by code, so that the example runs in any project. What the Input Map
## has already is left alone.

const KEYS: Dictionary = {
	&"forward": [KEY_W, KEY_UP],
	&"back": [KEY_S, KEY_DOWN],
	&"strafe_left": [KEY_A],
	&"strafe_right": [KEY_D],
	&"turn_left": [KEY_LEFT, KEY_Q],
	&"turn_right": [KEY_RIGHT, KEY_E],
	&"look_up": [KEY_PAGEUP],
	&"look_down": [KEY_PAGEDOWN],
	&"jump": [KEY_SPACE],
	&"use": [KEY_F],
	&"attack": [KEY_CTRL],
}
const STICKS: Dictionary = {
	&"forward": [JOY_AXIS_LEFT_Y, -1.0],
	&"back": [JOY_AXIS_LEFT_Y, 1.0],
	&"strafe_left": [JOY_AXIS_LEFT_X, -1.0],
	&"strafe_right": [JOY_AXIS_LEFT_X, 1.0],
	&"turn_left": [JOY_AXIS_RIGHT_X, -1.0],
	&"turn_right": [JOY_AXIS_RIGHT_X, 1.0],
}
const DEAD_ZONE := 0.2


## Adds the actions that the Input Map does not have: each name with its keys, and with its stick where it has one.
static func add(keys: Dictionary = KEYS) -> void:
	for action: StringName in keys:
		if InputMap.has_action(action):
			continue
		InputMap.add_action(action, DEAD_ZONE)
		for key: Key in keys[action]:
			InputMap.action_add_event(action, _key(key))
		if STICKS.has(action):
			var axis: JoyAxis = STICKS[action][0]
			var direction: float = STICKS[action][1]
			InputMap.action_add_event(action, _stick(axis, direction))


# The place on the keyboard counts, not the letter: W A S D lie together on every layout.
static func _key(key: Key) -> InputEventKey:
	var event := InputEventKey.new()
	event.physical_keycode = key
	return event


static func _stick(axis: JoyAxis, direction: float) -> InputEventJoypadMotion:
	var event := InputEventJoypadMotion.new()
	event.axis = axis
	event.axis_value = direction
	return event
