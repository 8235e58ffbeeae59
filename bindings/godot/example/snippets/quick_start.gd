extends Node


func _ready() -> void:
	var world := HeliosWorld.new()
	world.address = "tcp://127.0.0.1:5555"
	world.prompt = "a brick garden at noon"
	world.seed = 7
	var screen := HeliosScreen.new()
	screen.world = world
	screen.set_anchors_preset(Control.PRESET_FULL_RECT)
	add_child(world)
	add_child(screen)
