## Sets a HeliosWorld from the command line: godot --path bindings/godot -- --address=gpu-box:5555 --encoding=jpeg

const OPTIONS: PackedStringArray = ["address", "world", "prompt", "seed", "encoding", "quality", "timeout"]


## Sets what the arguments after "--" name. Returns "", or what is wrong with them.
## Call it in [method Node._enter_tree]: the world opens itself in its own [method Node._ready].
static func apply(world: HeliosWorld, arguments: PackedStringArray) -> String:
	for argument: String in arguments:
		var name := argument.get_slice("=", 0).trim_prefix("--")
		if not argument.begins_with("--") or not argument.contains("=") or not OPTIONS.has(name):
			return "%s is no option; there are: --%s=..." % [argument, "=..., --".join(OPTIONS)]
		var value := argument.substr(argument.find("=") + 1)
		world.set(name, type_convert(value, typeof(world.get(name))))
	return ""
