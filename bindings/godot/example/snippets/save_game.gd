extends Node

const PATH := "user://dream.state"

@export var world: HeliosWorld


func save() -> void:
	var state := await world.snapshot()
	if state.is_empty():
		return
	var file := FileAccess.open(PATH, FileAccess.WRITE)
	file.store_buffer(state)
	file.close()


func load_saved() -> void:
	if FileAccess.file_exists(PATH):
		await world.restore(FileAccess.get_file_as_bytes(PATH))
