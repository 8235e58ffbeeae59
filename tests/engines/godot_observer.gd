## Runs a scene, or a script on a node of its own, as a player would, and tells what is to be seen: lines "@ {json}".
##
## OBSERVED_SCENE: a scene, or a script. A script with a `world` gets one at OBSERVED_ADDRESS, in OBSERVED_MODE.
## OBSERVED_CALLS: methods of that script, to be called one after the other when the world is shown.
## OBSERVED_CHUNKS: a script is over after so many chunks, and these calls.
extends SceneTree

const PERIOD_MS := 100

var _world: HeliosWorld
var _next_ms := 0
var _chunks := 0


func _initialize() -> void:
	var path := OS.get_environment("OBSERVED_SCENE")
	if path.ends_with(".gd"):
		_run_script.call_deferred(load(path) as GDScript)
	else:
		change_scene_to_file(path)


func _process(_delta: float) -> bool:
	if _world == null:
		_watch()
	elif Time.get_ticks_msec() >= _next_ms:
		_next_ms = Time.get_ticks_msec() + PERIOD_MS
		_tell({"state": _world.state, "statistics": _world.statistics, "texts": _texts()})
	return false


func _run_script(script: GDScript) -> void:
	var node := ClassDB.instantiate(script.get_instance_base_type()) as Node
	node.set_script(script)
	if "world" in node:
		_watch_world(_new_world())
		node.set("world", _world)
	root.add_child(node)
	for method: String in OS.get_environment("OBSERVED_CALLS").split(",", false):
		while _world.chunk == null:
			await process_frame
		var result: Variant = await node.call(method)
		_tell({"called": method, "result": str(result)})
	while _chunks < OS.get_environment("OBSERVED_CHUNKS").to_int():
		await process_frame
	quit()


func _new_world() -> HeliosWorld:
	var world := HeliosWorld.new()
	world.address = OS.get_environment("OBSERVED_ADDRESS")
	world.mode = OS.get_environment("OBSERVED_MODE")
	root.add_child(world)
	return world


func _watch() -> void:
	for node: Node in root.find_children("*", "Node", true, false):
		if node is HeliosWorld:
			_watch_world(node as HeliosWorld)
			return


func _watch_world(world: HeliosWorld) -> void:
	_world = world
	world.chunk_ready.connect(_on_chunk)
	for happening: Signal in [world.connected, world.resumed, world.disconnected]:
		happening.connect(func(_what: Variant = null) -> void: _tell({"signal": happening.get_name()}))


func _on_chunk(chunk: HeliosChunk) -> void:
	_chunks += 1
	var about := {"epoch": chunk.epoch, "index": chunk.index, "prompt": chunk.prompt}
	about["buttons"] = chunk.action.buttons
	about["size"] = [chunk.height, chunk.width]
	about["rgb"] = Marshalls.raw_to_base64(chunk.images[-1].get_data())
	_tell({"chunk": about})


func _texts() -> Dictionary:
	var texts := {}
	for label: Node in root.find_children("*", "Label", true, false):
		if (label as Label).is_visible_in_tree() and (label as Label).modulate.a > 0.0:
			texts[label.name] = (label as Label).text
	return texts


func _tell(what: Dictionary) -> void:
	print("@ ", JSON.stringify(what))
