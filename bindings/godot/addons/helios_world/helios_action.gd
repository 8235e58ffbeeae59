@icon("icons/helios_world.svg")
class_name HeliosAction
extends RefCounted
## What is held during one chunk: buttons, and the values of axes. The world's [HeliosSpec] says which there are.

const _Fields := preload("client/fields.gd")
const _MOST := 64

## Names of the buttons that are held.
var buttons := PackedStringArray()
## Name of an axis to its value, within the range that the world gives; an axis that is not named is 0.
var axes := {}


## [codeblock]HeliosAction.of(["forward", "turn_left"], {"turn": 0.5})[/codeblock]
static func of(held: PackedStringArray, values: Dictionary = {}) -> HeliosAction:
	var action := HeliosAction.new()
	action.buttons = held.duplicate()
	for axis: Variant in values:
		action.axes[str(axis)] = float(values[axis])
	return action


## The action as the protocol has it; a copy, since another thread sends it, perhaps twice.
func to_map() -> Dictionary:
	return {"buttons": buttons.duplicate(), "axes": axes.duplicate()}


## Why it cannot be sent; empty if it can.
func fault() -> String:
	if buttons.size() > _MOST or axes.size() > _MOST:
		return "an action of %d buttons and %d axes; at most %d each" % [buttons.size(), axes.size(), _MOST]
	for axis: Variant in axes:
		if not typeof(axes[axis]) in [TYPE_INT, TYPE_FLOAT] or not is_finite(axes[axis]):
			return "the axis %s is %s; a finite number is needed" % [axis, axes[axis]]
	return ""


static func read(fields: _Fields) -> HeliosAction:
	var action := HeliosAction.new()
	if fields.keys().any(func(key: Variant) -> bool: return not key in ["buttons", "axes"]):
		fields.refuse()
	if fields.has("buttons"):
		action.buttons = fields.texts("buttons", _MOST, 64, 1)
	if fields.has("axes"):
		var values := fields.map("axes")
		for axis: String in values.keys().slice(0, _MOST):
			action.axes[axis] = values.number(axis)
		if values.keys().size() > _MOST:
			fields.refuse()
	return action
