extends Node


func _ready() -> void:
	var world := HeliosWorld.new()
	world.address = "tcp://127.0.0.1:5555"
	world.mode = "lockstep"
	world.autostart = false
	add_child(world)
	if not await world.open():
		return
	await world.reset(7, "an ice palace at night")
	for turn in 4:
		var chunk := await world.step(HeliosAction.of(["forward"], {"turn": 0.5}))
		if chunk == null:
			return
		print("turn %d: %d frames, %s" % [turn, chunk.frames, chunk.prompt])
	world.close()
