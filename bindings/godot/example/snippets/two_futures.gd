extends Node

@export var world: HeliosWorld


## What the next chunk would show after a step to the left, without taking it.
func look_ahead() -> Image:
	var twin := await world.fork()
	if twin == null:
		return null
	add_child(twin)
	var chunk := await twin.step(HeliosAction.of(["turn_left"]))
	twin.close()
	twin.queue_free()
	return chunk.images[-1] if chunk else null
