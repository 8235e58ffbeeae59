@icon("icons/helios_screen.svg")
class_name HeliosScreen
extends TextureRect
## Shows the frames of a [HeliosWorld]. In 3D use [member HeliosWorld.texture] in a material instead.

## The world; empty: the parent, if that is one.
@export var world: HeliosWorld:
	set(value):
		world = value
		_follow()


func _init() -> void:
	expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	stretch_mode = TextureRect.STRETCH_KEEP_ASPECT_CENTERED


func _ready() -> void:
	if world == null:
		world = get_parent() as HeliosWorld
	_follow()


func _follow() -> void:
	if not is_inside_tree() or Engine.is_editor_hint():
		return
	texture = world.texture if world != null else null
