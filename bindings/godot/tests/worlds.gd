extends RefCounted
## A world for tests: two buttons, an axis of each kind.


static func example() -> HeliosSpec:
	var spec := HeliosSpec.new()
	spec.name = "example"
	spec.fps = 10
	for name: String in ["forward", "jump"]:
		var button := HeliosSpec.ButtonControl.new()
		button.name = name
		spec.buttons.append(button)
	spec.axes.append(_axis("turn", -1.0, 1.0, "latest"))
	spec.axes.append(_axis("dx", -512.0, 512.0, "sum"))
	return spec


static func _axis(name: String, low: float, high: float, combine: String) -> HeliosSpec.AxisControl:
	var axis := HeliosSpec.AxisControl.new()
	axis.name = name
	axis.low = low
	axis.high = high
	axis.combine = combine
	return axis
