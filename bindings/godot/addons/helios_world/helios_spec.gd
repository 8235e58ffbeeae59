@icon("icons/helios_world.svg")
class_name HeliosSpec
extends RefCounted
## What a game must know of a world: its size, its speed, its controls.

const _Fields := preload("client/fields.gd")
const _MOST_SIDE := 8192

## Of the world.
var name := ""
## Frames per second at which to show it.
var fps := 1
## Of a frame, in pixels.
var height := 1
## Of a frame, in pixels.
var width := 1
## That one step makes.
var frames_per_chunk := 1
## What can be held.
var buttons: Array[ButtonControl] = []
## What has a value.
var axes: Array[AxisControl] = []
## "trained": the model knows the controls; "prompt": they are turned into words for it.
var steering := ""
## Examples of what the world can be.
var prompts := PackedStringArray()
## Chunks over which a new prompt fades in.
var blend := 0
## "early" or "late": how the chunks after a change of prompt are weighted.
var fade := ""
## Equal fingerprints give equal frames on one machine.
var fingerprint := ""
## What a reset can begin from: "prompt", "image", "video".
var starts := PackedStringArray()


## A control that is held or not.
class ButtonControl:
	extends RefCounted
	## As actions call it.
	var name := ""
	## For a person, with units.
	var meaning := ""


## A control with a value.
class AxisControl:
	extends RefCounted
	## As actions call it.
	var name := ""
	## For a person.
	var meaning := ""
	## Of its values.
	var unit := ""
	## Least value.
	var low := 0.0
	## Greatest value.
	var high := 0.0
	## "sum" (what is added within one chunk counts together, as of a mouse) or "latest".
	var combine := ""

	## The value within the range.
	func clip(value: float) -> float:
		return clampf(value, low, high)


func button_names() -> PackedStringArray:
	return PackedStringArray(buttons.map(func(button: ButtonControl) -> String: return button.name))


func axis_names() -> PackedStringArray:
	return PackedStringArray(axes.map(func(one: AxisControl) -> String: return one.name))


## The axis of that name; null if the world has none.
func axis(wanted: String) -> AxisControl:
	for candidate: AxisControl in axes:
		if candidate.name == wanted:
			return candidate
	return null


static func read(fields: _Fields) -> HeliosSpec:
	var spec := HeliosSpec.new()
	spec.name = fields.text("name", 256)
	spec.fps = fields.integer("fps", 1, 1000)
	spec.height = fields.integer("height", 1, _MOST_SIDE)
	spec.width = fields.integer("width", 1, _MOST_SIDE)
	spec.frames_per_chunk = fields.integer("frames_per_chunk", 1, 4096)
	spec._read_controls(fields.map("actions"))
	spec.prompts = fields.texts("prompts", 256, 2000)
	spec.blend = fields.integer("blend", 0, _Fields.COUNT)
	spec.fade = fields.choice("fade", ["early", "late"])
	spec.fingerprint = fields.text("fingerprint", 256)
	spec.starts = fields.texts("starts", 256, 64)
	return spec


func _read_controls(fields: _Fields) -> void:
	for one: _Fields in fields.maps("buttons", 64):
		var button := ButtonControl.new()
		button.name = one.text("name", 64, 1)
		button.meaning = one.text("meaning", 2000)
		buttons.append(button)
	for one: _Fields in fields.maps("axes", 64):
		axes.append(_read_axis(one))
	steering = fields.choice("steering", ["trained", "prompt"])


static func _read_axis(fields: _Fields) -> AxisControl:
	var found := AxisControl.new()
	found.name = fields.text("name", 64, 1)
	found.meaning = fields.text("meaning", 2000)
	found.unit = fields.text("unit", 256)
	found.low = fields.number("low")
	found.high = fields.number("high")
	found.combine = fields.choice("combine", ["sum", "latest"])
	if found.low > found.high:
		fields.refuse()
	return found
