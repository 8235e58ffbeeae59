extends RefCounted
## Buffers of frames to images, and chunks in several messages.

const Check := preload("check.gd")
const Assembly := preload("res://addons/helios_world/client/assembly.gd")
const Frames := preload("res://addons/helios_world/client/frames.gd")
const Messages := preload("res://addons/helios_world/client/messages.gd")


func test_raw_frames_are_exact(check: Check) -> bool:
	var data := PackedByteArray(range(48))
	var images := Frames.decode("rgb24", data, 2, 2, 4)
	check.equal(images.size(), 2, "frames")
	check.equal(images[0].get_data() + images[1].get_data(), data, "their bytes")
	check.equal(Frames.decode("rgb24", data, 2, 2, 3).size(), 0, "frames of another size")
	return true


func test_jpegs_are_decoded(check: Check) -> bool:
	var buffer := _jpegs([Color.RED, Color.BLUE])
	var images := Frames.decode("jpeg", buffer, 2, 16, 24)
	check.equal(images.size(), 2, "frames")
	check.equal(images[0].get_format(), Image.FORMAT_RGB8, "the format")
	var colour := images[1].get_pixel(5, 5)
	check.that(colour.b > 0.9 and colour.r < 0.1, "the second is blue")
	return true


func test_damaged_jpegs_are_refused(check: Check) -> bool:
	var buffer := _jpegs([Color.RED, Color.BLUE])
	check.equal(Frames.decode("jpeg", buffer, 2, 16, 16).size(), 0, "frames of another size")
	check.equal(Frames.decode("jpeg", buffer, 1, 16, 24).size(), 0, "frames with more behind them")
	check.equal(Frames.decode("jpeg", buffer.slice(0, buffer.size() - 1), 2, 16, 24).size(), 0, "cut frames")
	check.equal(Frames.decode("jpeg", PackedByteArray([1, 2]), 2, 16, 24).size(), 0, "frames of two bytes")
	buffer.encode_u32(0, 0xFFFFFFFF)
	check.equal(Frames.decode("jpeg", buffer, 2, 16, 24).size(), 0, "frames of a wrong table")
	return true


func test_a_chunk_in_several_messages(check: Check) -> bool:
	var assembly := Assembly.new()
	check.that(assembly.add(_part(0, 3, 5)) == null, "one of three")
	check.that(assembly.add(_part(2, 3, 7)) == null, "a wrong one is dropped")
	check.that(assembly.add(_part(1, 3, 6)) == null, "two of three")
	var chunk := assembly.add(_part(2, 3, 7))
	check.that(chunk != null, "three of three")
	check.equal([chunk.frames, chunk.first_frame], [3, 5], "frames, and where they begin")
	check.that(assembly.add(_part(2, 3, 7)) == null, "one too many")
	return true


static func _part(part: int, of: int, first_frame: int) -> Messages.Chunk:
	var message := Messages.Chunk.new()
	message.part = part
	message.of = of
	message.chunk.height = 1
	message.chunk.width = 1
	message.chunk.encoding = "rgb24"
	message.chunk.first_frame = first_frame
	message.buffers = [PackedByteArray([1, 2, 3])]
	return message


static func _jpegs(colours: Array[Color]) -> PackedByteArray:
	var table := PackedByteArray()
	var files := PackedByteArray()
	table.resize(4 * colours.size())
	for number: int in colours.size():
		var image := Image.create(24, 16, false, Image.FORMAT_RGB8)
		image.fill(colours[number])
		var file := image.save_jpg_to_buffer(0.95)
		table.encode_u32(4 * number, file.size())
		files.append_array(file)
	return table + files
