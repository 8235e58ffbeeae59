extends Node

@export var world: HeliosWorld


func _ready() -> void:
	world.actions = {
		"forward": "run",
		"turn": ["steer_left", "steer_right"],
	}


func _on_touch_button_pressed() -> void:
	world.inputs.press("forward")


func _on_touch_button_released() -> void:
	world.inputs.release("forward")
