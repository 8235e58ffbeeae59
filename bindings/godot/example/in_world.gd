## A dreamed world on a screen in a room: its frames are a texture like any other, and light the room.
extends Node3D

const DefaultKeys := preload("res://example/default_keys.gd")
const LaunchOptions := preload("res://example/launch_options.gd")

const WALK_KEYS: Dictionary = {
	&"room_forward": [KEY_W], &"room_back": [KEY_S], &"room_left": [KEY_A], &"room_right": [KEY_D]
}
const SCREEN_KEYS: Dictionary = {
	&"screen_forward": [KEY_UP], &"screen_back": [KEY_DOWN], &"screen_left": [KEY_LEFT], &"screen_right": [KEY_RIGHT]
}
## The world's buttons by the actions of this scene, so that walking in the room does not walk in the world.
const ACTIONS: Dictionary = {
	"forward": "screen_forward",
	"back": "screen_back",
	"turn_left": "screen_left",
	"turn_right": "screen_right",
}
## Metres per second, radians per pixel, and how near to the walls the eye may come, in metres.
const WALK_SPEED := 2.5
const LOOK_SPEED := 0.003
const WALL_DISTANCE := 0.6
const ROOM := Vector3(8.0, 3.2, 8.0)
const SCREEN_WIDTH := 4.0

@onready var _world: HeliosWorld = %World
@onready var _screen: MeshInstance3D = %Screen
@onready var _frame: MeshInstance3D = %Frame
@onready var _glow: OmniLight3D = %Glow
@onready var _eye: Camera3D = %Eye


func _enter_tree() -> void:
	DefaultKeys.add(WALK_KEYS)
	DefaultKeys.add(SCREEN_KEYS)
	var world := get_node("%World") as HeliosWorld
	world.actions = ACTIONS
	var mistake := LaunchOptions.apply(world, OS.get_cmdline_user_args())
	if mistake:
		printerr(mistake)
		get_tree().quit(2)


func _ready() -> void:
	_world.opened.connect(_on_opened)
	_world.chunk_ready.connect(_on_chunk_ready)


func _process(delta: float) -> void:
	var held := Input.get_vector(&"room_left", &"room_right", &"room_forward", &"room_back")
	var way := Vector3(held.x, 0.0, held.y).rotated(Vector3.UP, _eye.rotation.y)
	var reach := ROOM / 2.0 - Vector3(WALL_DISTANCE, 0.0, WALL_DISTANCE)
	var place := _eye.position + way * WALK_SPEED * delta
	_eye.position = Vector3(clampf(place.x, -reach.x, reach.x), place.y, clampf(place.z, -reach.z, reach.z))


func _unhandled_input(event: InputEvent) -> void:
	if event is InputEventMouseMotion and Input.mouse_mode == Input.MOUSE_MODE_CAPTURED:
		_look((event as InputEventMouseMotion).relative)
	elif event is InputEventMouseButton:
		Input.mouse_mode = Input.MOUSE_MODE_CAPTURED
	elif event.is_action_pressed(&"ui_cancel"):
		get_tree().quit()


func _look(motion: Vector2) -> void:
	_eye.rotation.y -= motion.x * LOOK_SPEED
	_eye.rotation.x = clampf(_eye.rotation.x - motion.y * LOOK_SPEED, -1.2, 1.2)


# The texture exists from now on, and is the same one for all frames.
func _on_opened(spec: HeliosSpec) -> void:
	var material := _screen.material_override as StandardMaterial3D
	material.albedo_texture = _world.texture
	var size := Vector2(SCREEN_WIDTH, SCREEN_WIDTH * spec.height / spec.width)
	(_screen.mesh as QuadMesh).size = size
	(_frame.mesh as BoxMesh).size = Vector3(size.x + 0.16, size.y + 0.16, 0.06)
	_screen.show()


# One pixel is the mean colour of the whole frame.
func _on_chunk_ready(chunk: HeliosChunk) -> void:
	var image := chunk.images[-1].duplicate() as Image
	image.resize(1, 1, Image.INTERPOLATE_TRILINEAR)
	create_tween().tween_property(_glow, ^"light_color", image.get_pixel(0, 0), 0.2)
